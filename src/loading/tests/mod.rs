//! Tests of what loading reads and writes beside the snapshot; and the RAM that tests of units are made with.

mod working_set;

use proptest::collection::vec;
use proptest::prelude::*;

use super::fuzzing::table;
use super::unit_map::UnitMap;

/// The units of blocks, given by host address, length and page size.
pub(super) fn map(blocks: &[(usize, u64, u64)]) -> UnitMap {
    UnitMap::new(&table(blocks))
}

/// Blocks behind each other, some of them right behind: page size, pages, pages of 4 KiB in between.
pub(super) fn blocks() -> impl Strategy<Value = Vec<(usize, u64, u64)>> {
    let page_size = prop_oneof![6 => Just(4096_u64), 1 => Just(65536), 1 => Just(2 << 20), 1 => Just(4 << 20)];
    vec((page_size, 1..2000_u64, 0..700_usize), 1..5).prop_map(|blocks| {
        let mut at: usize = 1 << 30;
        let blocks = blocks.into_iter().map(|(page_size, pages, gap)| {
            let host = (at + gap * 4096).next_multiple_of(page_size as usize);
            let length = page_size * (1 + pages % (16 << 20 >> page_size.trailing_zeros()));
            at = host + length as usize;
            (host, length, page_size)
        });
        blocks.collect()
    })
}
