//! Fault-around: where a guest goes through its RAM page by page, pages behind the one that it waits for are placed along.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// How many guest threads are told apart that go through RAM at once.
const STREAMS: usize = 4;

/// How many pages are placed along at first, and by how much that grows while the guest goes on.
const FIRST: usize = 4;
const GROWTH: usize = 4;

/// How many bytes are placed along at most at once: a thread that waits for another page meanwhile waits that much longer.
pub(super) const MOST_BYTES: usize = 256 << 10;

/// Where a fault thread has seen guests go. Used by that thread only; atomic so that no lock is needed.
#[derive(Default)]
pub(super) struct Around {
    streams: [Stream; STREAMS],
    oldest: AtomicUsize,
}

/// A walk through RAM.
#[derive(Default)]
struct Stream {
    /// The page at which it is to fault next, and its block: see [`key`]. 0: none.
    next: AtomicU64,
    /// How many pages were placed along the last time.
    length: AtomicUsize,
}

impl Around {
    /// This page was faulted on: how many pages of this size to place behind it, too.
    pub fn faulted(&self, index: usize, page: usize, page_size: usize) -> usize {
        let key = key(index, page);
        let Some(stream) = self.streams.iter().find(|stream| stream.next.load(Relaxed) == key) else {
            let oldest = &self.streams[self.oldest.load(Relaxed)];
            self.oldest.store((self.oldest.load(Relaxed) + 1) % STREAMS, Relaxed);
            oldest.next.store(key + 1, Relaxed);
            oldest.length.store(0, Relaxed);
            return 0;
        };
        let length = (stream.length.load(Relaxed) * GROWTH).max(FIRST).min(MOST_BYTES / page_size);
        stream.length.store(length, Relaxed);
        stream.next.store(key + 1 + length as u64, Relaxed);
        length
    }
}

/// A page of a block, in a number that is 1 more for the next page.
fn key(index: usize, page: usize) -> u64 {
    ((index as u64 + 1) << 40) + page as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn grows_while_the_guest_goes_on() {
        let around = Around::default();
        let mut page = 100;
        let mut lengths = Vec::new();
        for _ in 0..5 {
            let length = around.faulted(0, page, PAGE);
            lengths.push(length);
            page += 1 + length;
        }
        assert_eq!(lengths, [0, 4, 16, 64, 64]);
        assert_eq!(around.faulted(0, 7, PAGE), 0);
        assert_eq!(around.faulted(1, page, PAGE), 0);
    }

    #[test]
    fn guests_are_told_apart() {
        let around = Around::default();
        for guest in 0..STREAMS {
            assert_eq!(around.faulted(guest, 10, PAGE), 0);
        }
        for guest in 0..STREAMS {
            assert_eq!(around.faulted(guest, 11, PAGE), 4);
        }
    }

    #[test]
    fn huge_pages_come_alone() {
        let around = Around::default();
        assert_eq!(around.faulted(0, 0, 2 << 20), 0);
        assert_eq!(around.faulted(0, 1, 2 << 20), 0);
    }
}
