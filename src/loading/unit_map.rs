//! Units: what is loaded at once, and where their borders are.

use std::ops::Range;

use crate::kernel::HUGE_PAGE;
use crate::memory::BlockTable;

/// How many bytes are loaded at once; a host page if that is larger. A pause waits for a unit at most.
pub(super) const UNIT: usize = HUGE_PAGE;

/// Pages of the block with this index, to be loaded at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub index: usize,
    pub pages: Range<usize>,
}

/// All RAM in units, numbered from 0 on through all blocks.
#[derive(Debug)]
pub(crate) struct UnitMap {
    blocks: Box<[Division]>,
    units: usize,
}

/// How a block is divided: into units whose addresses are aligned, but for the first and the last.
#[derive(Debug)]
struct Division {
    /// The number of its first unit.
    first: usize,
    pages: usize,
    /// Pages a unit.
    unit: usize,
    /// How many pages of the first unit lie before the block.
    before: usize,
}

impl Division {
    /// The number of the unit that a page lies in.
    fn number(&self, page: usize) -> usize {
        self.first + (self.before + page) / self.unit
    }

    /// The pages of a unit of this block.
    fn pages(&self, number: usize) -> Range<usize> {
        let number = number - self.first;
        let end = (number + 1) * self.unit - self.before;
        (number * self.unit).saturating_sub(self.before)..end.min(self.pages)
    }
}

impl UnitMap {
    pub fn new(table: &BlockTable) -> Self {
        let mut units = 0;
        let blocks = table.blocks().iter().map(|block| {
            let (first, pages, unit) = (units, block.pages(), block.page_of(UNIT).max(1));
            let before = block.page_of(block.host()) % unit;
            units += (before + pages).div_ceil(unit);
            Division { first, pages, unit, before }
        });
        let blocks = blocks.collect();
        Self { blocks, units }
    }

    /// How many units there are.
    pub fn len(&self) -> usize {
        self.units
    }

    /// The numbers of a block's units.
    pub fn numbers(&self, index: usize) -> Range<usize> {
        let block = &self.blocks[index];
        block.first..block.number(block.pages - 1) + 1
    }

    /// The number of the unit that a page lies in.
    pub fn number(&self, index: usize, page: usize) -> usize {
        self.blocks[index].number(page)
    }

    /// All pages of a unit.
    pub fn unit(&self, number: usize) -> Piece {
        let index = self.blocks.partition_point(|block| block.first <= number) - 1;
        Piece { index, pages: self.blocks[index].pages(number) }
    }

    /// The number of the unit that a piece is all of, if it is.
    pub fn unit_of(&self, piece: &Piece) -> Option<usize> {
        let block = &self.blocks[piece.index];
        let number = block.number(piece.pages.start);
        (block.pages(number) == piece.pages).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{blocks, map};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_cover_every_page_once() {
        let map = map(&[(0x4000_1000, 5 << 20, 4096), (0x8000_0000, 4096, 4096), (0xc000_0000, 8 << 20, 4 << 20)]);
        let units: Vec<_> =
            (0..map.len()).map(|number| map.unit(number)).map(|piece| (piece.index, piece.pages)).collect();
        assert_eq!(units, [(0, 0..511), (0, 511..1023), (0, 1023..1280), (1, 0..1), (2, 0..1), (2, 1..2)]);
    }

    proptest! {
        /// Units cover every page of any blocks once, and none lies across a border of units in memory.
        #[test]
        fn any_blocks_are_covered(blocks in blocks()) {
            let map = map(&blocks);
            let mut at = (0, 0);
            for number in 0..map.len() {
                let piece = map.unit(number);
                let Piece { index, pages } = piece.clone();
                prop_assert_eq!((index, pages.start), at);
                prop_assert_eq!(map.unit_of(&piece), Some(number));
                prop_assert!(pages.clone().all(|page| map.number(index, page) == number));
                let (host, length, page_size) = blocks[index];
                let (first, last) = (host + pages.start * page_size as usize, host + pages.end * page_size as usize - 1);
                prop_assert!(pages.len() == 1 || first / UNIT == last / UNIT, "{:?}", pages);
                at = if pages.end as u64 == length / page_size { (index + 1, 0) } else { (index, pages.end) };
            }
            prop_assert_eq!(at, (blocks.len(), 0));
        }
    }
}
