//! Read-around: where a guest goes through its RAM page by page, pages behind the one that it waits for are placed along.

/// How many guest threads are told apart that go through RAM at once.
const STREAMS: usize = 4;

/// How many pages are placed along at first, and by how much that grows while the guest goes on.
const FIRST: usize = 4;
const GROWTH: usize = 4;

/// How many bytes are placed along at most at once: a thread that waits for another page meanwhile waits that much longer.
pub(super) const MOST_BYTES: usize = 256 << 10;

/// Where a fault thread has seen guests go.
#[derive(Debug, Default)]
pub(super) struct ReadAround {
    streams: [Stream; STREAMS],
    oldest: usize,
}

/// A walk through RAM.
#[derive(Debug, Default)]
struct Stream {
    /// The page at which it is to fault next, and its block: see [`key`]. 0: none.
    next: u64,
    /// How many pages were placed along the last time.
    length: usize,
}

impl ReadAround {
    /// This page was faulted on: how many pages of this size to place behind it, too.
    pub fn faulted(&mut self, index: usize, page: usize, page_size: usize) -> usize {
        let key = key(index, page);
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.next == key) else {
            self.streams[self.oldest] = Stream { next: key + 1, length: 0 };
            self.oldest = (self.oldest + 1) % STREAMS;
            return 0;
        };
        stream.length = (stream.length * GROWTH).max(FIRST).min(MOST_BYTES / page_size);
        stream.next = key + 1 + stream.length as u64;
        stream.length
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
        let mut around = ReadAround::default();
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
        let mut around = ReadAround::default();
        for guest in 0..STREAMS {
            assert_eq!(around.faulted(guest, 10, PAGE), 0);
        }
        for guest in 0..STREAMS {
            assert_eq!(around.faulted(guest, 11, PAGE), 4);
        }
    }

    #[test]
    fn huge_pages_come_alone() {
        let mut around = ReadAround::default();
        assert_eq!(around.faulted(0, 0, 2 << 20), 0);
        assert_eq!(around.faulted(0, 1, 2 << 20), 0);
    }
}
