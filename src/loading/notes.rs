//! Which pages are faulted on, while a snapshot is being loaded: each fault thread notes its own, in order.

use std::ops::Range;

use super::unit_map::Piece;
use super::working_set::MOST_RUNS;

/// Pages that were placed for a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// When, in nanoseconds of a clock that all threads share.
    pub at: u64,
    pub piece: Piece,
}

/// The notes of one fault thread.
#[derive(Debug, Default)]
pub(super) struct Notes {
    list: Vec<Note>,
    /// There was no memory for some.
    is_incomplete: bool,
}

impl Notes {
    /// These pages of the block with this index were placed for a fault.
    pub fn add(&mut self, at: u64, index: usize, pages: &Range<usize>) {
        if self.list.len() < MOST_RUNS && self.has_room(1) {
            self.list.push(Note { at, piece: Piece { index, pages: pages.clone() } });
        }
    }

    /// Adds those of another thread.
    pub fn merge(&mut self, mut other: Self) {
        self.is_incomplete |= other.is_incomplete;
        if self.has_room(other.list.len()) {
            self.list.append(&mut other.list);
        }
    }

    /// Whether there is room for so many more, and was for all before.
    fn has_room(&mut self, count: usize) -> bool {
        self.is_incomplete |= self.list.try_reserve(count).is_err();
        !self.is_incomplete
    }

    /// All in the order in which they were made. None, if there was no memory for some.
    pub fn in_order(mut self) -> Option<Vec<Note>> {
        self.list.sort_by_key(|note| note.at);
        self.list.truncate(MOST_RUNS);
        (!self.is_incomplete).then_some(self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_of_two_threads_come_back_in_order() {
        let (mut one, mut other) = (Notes::default(), Notes::default());
        one.add(1, 3, &(7..8));
        other.add(2, 0, &(0..4096));
        one.add(3, 4094, &((1 << 40) - 1..1 << 40));
        other.merge(one);
        let notes = other.in_order().unwrap();
        assert_eq!(
            notes.iter().map(|note| (note.at, note.piece.index)).collect::<Vec<_>>(),
            [(1, 3), (2, 0), (3, 4094)]
        );
        assert_eq!(notes[1].piece.pages, 0..4096);
    }

    #[test]
    fn there_is_a_most() {
        let mut notes = Notes::default();
        (0..MOST_RUNS + 5).for_each(|page| notes.add(page as u64, 0, &(page..page + 1)));
        assert_eq!(notes.in_order().unwrap().len(), MOST_RUNS);
    }
}
