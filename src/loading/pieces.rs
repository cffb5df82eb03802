//! The pages of a working set, unit by unit.

use std::collections::TryReserveError;

use super::unit_map::{Piece, UnitMap};
use crate::error::{Result, error};

/// Of a unit whose pages belong to the working set by this share (1 / n), all is loaded: it costs less than its parts.
const WORTH_A_UNIT: usize = 8;

/// Pages of one unit that were touched.
struct Part {
    /// The unit's number.
    number: usize,
    /// When it was touched, counted from the first one.
    turn: usize,
    piece: Piece,
}

/// The same pages unit by unit, in the order of the first touch of each unit: all of it, or the parts that were touched.
pub(super) fn by_units(map: &UnitMap, touched: impl Iterator<Item = Piece>) -> Result<Box<[Piece]>> {
    divide(map, touched).map_err(|_| error!(ENOMEM, "no memory for the pages of a working set"))
}

fn divide(map: &UnitMap, touched: impl Iterator<Item = Piece>) -> Result<Box<[Piece]>, TryReserveError> {
    let mut parts = Vec::new();
    for Piece { index, pages } in touched {
        let mut at = pages.start;
        while at < pages.end {
            let number = map.number(index, at);
            let end = map.unit(number).pages.end.min(pages.end);
            let turn = parts.len();
            try_push(&mut parts, Part { number, turn, piece: Piece { index, pages: at..end } })?;
            at = end;
        }
    }
    parts.sort_unstable_by_key(|part| (part.number, part.piece.pages.start));
    let mut pieces = Vec::new();
    for parts in parts.chunk_by_mut(|one, other| one.number == other.number) {
        let Some(turn) = parts.iter().map(|part| part.turn).min() else { continue };
        let whole = map.unit(parts[0].number);
        let merged = merge(parts);
        let touched: usize = merged.iter().map(|part| part.piece.pages.len()).sum();
        if touched * WORTH_A_UNIT >= whole.pages.len() {
            try_push(&mut pieces, (turn, whole))?;
            continue;
        }
        for part in merged {
            try_push(&mut pieces, (turn, part.piece.clone()))?;
        }
    }
    drop(parts);
    pieces.sort_unstable_by_key(|(turn, piece)| (*turn, piece.pages.start));
    let mut ordered = Vec::new();
    ordered.try_reserve_exact(pieces.len())?;
    ordered.extend(pieces.into_iter().map(|(_, piece)| piece));
    Ok(ordered.into())
}

/// Parts of one unit, in ascending order, in as few as can be: the first ones of the slice.
fn merge(parts: &mut [Part]) -> &[Part] {
    let mut last = 0;
    for next in 1..parts.len() {
        let pages = parts[next].piece.pages.clone();
        let before = &mut parts[last].piece.pages;
        if pages.start <= before.end {
            before.end = before.end.max(pages.end);
        } else {
            last += 1;
            parts[last].piece.pages = pages;
        }
    }
    &parts[..(last + 1).min(parts.len())]
}

fn try_push<T>(list: &mut Vec<T>, item: T) -> Result<(), TryReserveError> {
    list.try_reserve(1)?;
    list.push(item);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::unit_map::tests::{blocks, map};
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    #[test]
    fn ranges_merge() {
        let mut parts =
            [1..3, 2..3, 3..4, 5..6].map(|pages| Part { number: 0, turn: 0, piece: Piece { index: 0, pages } });
        let merged: Vec<_> = merge(&mut parts).iter().map(|part| part.piece.pages.clone()).collect();
        assert_eq!(merged, [1..4, 5..6]);
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
