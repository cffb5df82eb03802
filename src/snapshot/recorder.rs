//! Notes which pages are faulted on, in order, while a snapshot is being loaded.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use super::working_set::MOST_RUNS;

/// Notes are kept in chunks, so that memory is taken as they come.
const CHUNK: usize = 4096;

/// A note in 64 bits: 1 + the block's index, the first page, and how many follow it.
const PAGE_BITS: u32 = 40;
const MORE_BITS: u32 = 12;

type Chunk = OnceLock<Box<[AtomicU64]>>;

/// Written by fault threads without a lock.
pub(super) struct Recorder {
    chunks: Box<[Chunk]>,
    /// How many notes there are, or would be, were there room.
    count: AtomicUsize,
    /// There was no memory for some.
    lost: AtomicBool,
}

impl Recorder {
    pub fn new() -> Self {
        Self {
            chunks: (0..MOST_RUNS / CHUNK).map(|_| OnceLock::new()).collect(),
            count: AtomicUsize::new(0),
            lost: AtomicBool::new(false),
        }
    }

    /// These pages of the block with this index were placed for a fault.
    pub fn note(&self, index: usize, pages: &Range<usize>) {
        let (block, page, more) = (index as u64 + 1, pages.start as u64, pages.len() as u64 - 1);
        if block >> (u64::BITS - PAGE_BITS - MORE_BITS) != 0 || page >> PAGE_BITS != 0 || more >> MORE_BITS != 0 {
            return;
        }
        let number = self.count.fetch_add(1, Relaxed);
        let Some(chunk) = self.chunks.get(number / CHUNK) else { return };
        match chunk.get().map(|notes| &**notes).or_else(|| add_to(chunk)) {
            Some(chunk) => chunk[number % CHUNK].store((block << PAGE_BITS | page) << MORE_BITS | more, Release),
            None => self.lost.store(true, Relaxed),
        }
    }

    /// Whether all that fits has been noted.
    pub fn has_all(&self) -> bool {
        !self.lost.load(Relaxed)
    }

    /// All notes in order: index of a block, and pages of it.
    pub fn notes(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let chunks = self.chunks.iter().filter_map(|chunk| chunk.get());
        chunks.flat_map(|chunk| chunk.iter()).filter_map(|note| {
            let note = note.load(Acquire);
            let (pages, more) = (note >> MORE_BITS, note & ((1 << MORE_BITS) - 1));
            let (block, page) = (pages >> PAGE_BITS, pages & ((1 << PAGE_BITS) - 1));
            // 0: being written, or behind the last one.
            (block != 0).then(|| (block as usize - 1, page as usize..(page + more + 1) as usize))
        })
    }
}

/// Takes memory for a chunk, if there is any.
fn add_to(chunk: &Chunk) -> Option<&[AtomicU64]> {
    let mut notes = Vec::new();
    notes.try_reserve_exact(CHUNK).ok()?;
    notes.resize_with(CHUNK, || AtomicU64::new(0));
    // Another thread may have been faster.
    let _ = chunk.set(notes.into());
    chunk.get().map(|notes| &**notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_in_order() {
        let recorder = Recorder::new();
        let notes = [(3, 7..8), (0, 0..4096), (4094, (1 << 40) - 1..1 << 40)];
        notes.iter().for_each(|(index, pages)| recorder.note(*index, pages));
        assert_eq!(recorder.notes().collect::<Vec<_>>(), notes);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let recorder = Recorder::new();
        recorder.note(4095, &(0..1));
        recorder.note(0, &(0..4097));
        recorder.note(0, &(1 << 40..(1 << 40) + 1));
        assert_eq!(recorder.notes().count(), 0);
        (0..MOST_RUNS + 5).for_each(|page| recorder.note(0, &(page..page + 1)));
        assert_eq!(recorder.notes().count(), MOST_RUNS);
    }
}
