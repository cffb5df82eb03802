//! The pages of a working set, unit by unit.

use super::unit_map::{Piece, UnitMap};
use crate::error::{Result, error, with_room};

/// Of a unit whose pages belong to the working set by this share (1 / n), all is loaded: it costs less than its parts.
const WORTH_A_UNIT: usize = 8;

/// What there may be no memory for.
const SET: &str = "the pages of a working set";

/// Pages of one unit that were touched.
struct Part {
    /// The unit's number.
    number: usize,
    /// When it was touched, counted from the first one.
    turn: usize,
    piece: Piece,
}

/// The same pages unit by unit, in the order of the first touch of each unit: all of it, or the parts that were touched.
pub(super) fn by_units(map: &UnitMap, touched: impl Iterator<Item = Piece>) -> Result<Vec<Piece>> {
    let mut parts = Vec::new();
    for Piece { index, pages } in touched {
        let mut at = pages.start;
        while at < pages.end {
            let number = map.number(index, at);
            let end = map.unit(number).pages.end.min(pages.end);
            let part = Part { number, turn: parts.len(), piece: Piece { index, pages: at..end } };
            parts.try_reserve(1).map_err(|_| error!(ENOMEM, "no memory for {SET}"))?;
            parts.push(part);
            at = end;
        }
    }
    parts.sort_unstable_by_key(|part| (part.number, part.piece.pages.start));
    parts.dedup_by(|next, last| last.take_in(next));
    for parts in parts.chunk_by_mut(|one, other| one.number == other.number) {
        let touched: usize = parts.iter().map(|part| part.piece.pages.len()).sum();
        let first = parts.iter().map(|part| part.turn).min().expect("at least one");
        let whole = map.unit(parts[0].number);
        let is_whole = touched * WORTH_A_UNIT >= whole.pages.len();
        for part in parts {
            part.turn = first;
            if is_whole {
                part.piece = whole.clone();
            }
        }
    }
    parts.sort_unstable_by_key(|part| (part.turn, part.piece.pages.start));
    // The parts of a whole unit are all the same now.
    parts.dedup_by(|next, last| next.piece == last.piece);
    let mut pieces = with_room(parts.len(), SET)?;
    pieces.extend(parts.into_iter().map(|part| part.piece));
    Ok(pieces)
}

impl Part {
    /// Takes in a part that starts no earlier, if both are of the same unit and nothing lies in between; whether it did.
    fn take_in(&mut self, next: &Self) -> bool {
        let (pages, behind) = (&mut self.piece.pages, &next.piece.pages);
        let joins = self.number == next.number && behind.start <= pages.end;
        if joins {
            pages.end = pages.end.max(behind.end);
            self.turn = self.turn.min(next.turn);
        }
        joins
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{blocks, map};
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    #[test]
    fn ranges_merge() {
        let touched = [5..6, 2..3, 1..3, 3..4].map(|pages| Piece { index: 0, pages });
        let pieces = by_units(&map(&[(1 << 30, 2 << 20, 4096)]), touched.into_iter()).unwrap();
        assert_eq!(pieces, [1..4, 5..6].map(|pages| Piece { index: 0, pages }));
    }

    proptest! {
        /// The pieces of a working set lie in one unit each, hold all that was touched, and no page twice.
        #[test]
        fn any_working_set_is_divided_by_units(
            blocks in blocks(),
            touched in vec((any::<Index>(), any::<Index>(), prop_oneof![1..4_usize, 1..700_usize], any::<bool>()), 0..40),
        ) {
            let map = map(&blocks);
            let pages = |index: usize| (blocks[index].1 / blocks[index].2) as usize;
            let touched = touched.into_iter().map(|(block, page, count, close)| {
                let index = block.index(blocks.len());
                let start = page.index(if close { pages(index).min(16) } else { pages(index) });
                Piece { index, pages: start..(start + count).min(pages(index)) }
            });
            let touched: Vec<_> = touched.collect();
            let pieces = by_units(&map, touched.iter().cloned()).unwrap();
            let mut held: Vec<_> = (0..blocks.len()).map(|index| vec![false; pages(index)]).collect();
            for Piece { index, pages } in pieces.iter() {
                let number = map.number(*index, pages.start);
                prop_assert!(!pages.is_empty() && map.number(*index, pages.end - 1) == number);
                for page in pages.clone() {
                    prop_assert!(!std::mem::replace(&mut held[*index][page], true), "page {} of {} twice", page, index);
                }
            }
            for Piece { index, pages } in touched {
                prop_assert!(pages.clone().all(|page| held[index][page]), "{:?} of {}", pages, index);
            }
        }
    }
}
