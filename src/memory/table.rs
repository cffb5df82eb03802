//! The RAM blocks of one mis, by address and by id.

use std::ops::Range;
use std::sync::Arc;

use super::block::{BlockId, RamBlock};
use crate::error::{Result, ensure, error};

/// RAM blocks that do not overlap, sorted by address. A block's index holds as long as the table is not changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockTable {
    blocks: Vec<Arc<RamBlock>>,
}

impl BlockTable {
    pub fn add(&mut self, block: RamBlock) -> Result<()> {
        if let Some(twin) = self.blocks.iter().find(|other| other.id() == block.id()) {
            return Err(error!(EEXIST, "{block}: its handle is {twin}'s already"));
        }
        if let Some(twin) = self.blocks.iter().find(|other| other.idstr() == block.idstr()) {
            return Err(error!(EEXIST, "{block}: its name is taken by {twin}"));
        }
        let at = self.blocks.partition_point(|other| other.end() <= block.host());
        if let Some(other) = self.blocks.get(at) {
            ensure!(block.end() <= other.host(), EINVAL, "{block} overlaps {other}");
        }
        self.blocks.insert(at, Arc::new(block));
        Ok(())
    }

    /// Forgets the blocks that their owner has taken back.
    pub fn drop_removed(&mut self) {
        self.blocks.retain(|block| !block.is_removed());
    }

    /// The same table without the blocks that their owner has taken back.
    pub fn without_removed(&self) -> Self {
        Self { blocks: self.blocks.iter().filter(|block| !block.is_removed()).cloned().collect() }
    }

    pub fn blocks(&self) -> &[Arc<RamBlock>] {
        &self.blocks
    }

    /// The block with this index.
    pub fn block(&self, index: usize) -> &RamBlock {
        &self.blocks[index]
    }

    /// Where a block stands in the table, if it does.
    pub fn index_of(&self, block: &Arc<RamBlock>) -> Option<usize> {
        self.blocks.iter().position(|other| Arc::ptr_eq(other, block))
    }

    /// The block and page that a host address lies in.
    pub fn locate(&self, address: usize) -> Option<(usize, usize)> {
        let index = self.blocks.partition_point(|block| block.end() <= address);
        let block = self.blocks.get(index).filter(|block| block.host() <= address)?;
        Some((index, block.page_of(address - block.host())))
    }

    /// Where a block stands, if it is known and has not been removed.
    pub fn by_id(&self, id: BlockId) -> Result<usize> {
        // A VM has a handful of blocks: looking at each is as fast as anything.
        let known = self.blocks.iter().position(|block| block.id() == id && !block.is_removed());
        known.ok_or_else(|| {
            error!(ENOENT, "RAM block handle {:#x} is unknown: it has not been added, or has been removed", id.0)
        })
    }

    /// The blocks that a range of addresses touches: the index of each, and the offsets that are in the range.
    pub fn touched(&self, addresses: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        self.blocks.iter().enumerate().filter_map(|(index, block)| {
            let (start, end) = (addresses.start.max(block.host()), addresses.end.min(block.end()));
            (start < end).then(|| (index, start - block.host()..end - block.host()))
        })
    }

    /// Forgets what was received, requested and poisoned, in all blocks.
    pub fn forget_pages(&self) {
        self.blocks.iter().for_each(|block| block.forget_pages());
    }

    /// The largest page size; 0 without blocks.
    pub fn largest_page_size(&self) -> usize {
        self.blocks.iter().map(|block| block.page_size()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use crate::memory::RamBlockSpec;

    fn block(id: usize, host: usize, length: u64) -> RamBlock {
        let spec = RamBlockSpec { idstr: format!("block{id}"), host, length, page_size: 4096 };
        RamBlock::new(BlockId(id), spec).unwrap()
    }

    #[test]
    fn addresses_find_their_block() {
        let mut table = BlockTable::default();
        table.add(block(3, 0x30000, 0x2000)).unwrap();
        table.add(block(1, 0x10000, 0x1000)).unwrap();
        table.add(block(2, 0x11000, 0x1000)).unwrap();
        let id_at = |address| table.locate(address).map(|(index, _)| table.blocks()[index].id().0);
        assert_eq!(id_at(0xffff), None);
        assert_eq!(id_at(0x10000), Some(1));
        assert_eq!(id_at(0x10fff), Some(1));
        assert_eq!(id_at(0x11000), Some(2));
        assert_eq!(id_at(0x12000), None);
        assert_eq!(id_at(0x31fff), Some(3));
        assert_eq!(id_at(0x32000), None);
    }

    #[test]
    fn overlaps_and_twins_are_refused() {
        let mut table = BlockTable::default();
        table.add(block(1, 0x10000, 0x3000)).unwrap();
        for (host, length) in
            [(0xf000, 0x2000), (0x10000, 0x3000), (0x11000, 0x1000), (0x12000, 0x8000), (0x8000, 0x20000)]
        {
            assert_eq!(table.add(block(2, host, length)).unwrap_err().errno(), libc::EINVAL, "{host:#x}");
        }
        assert_eq!(table.add(block(1, 0x40000, 0x1000)).unwrap_err().errno(), libc::EEXIST);
        assert_eq!(table.blocks().len(), 1);
        table.blocks()[0].remove();
        table.drop_removed();
        assert!(table.blocks().is_empty());
        assert_eq!(table.by_id(BlockId(1)).unwrap_err().errno(), libc::ENOENT);
    }

    proptest! {
        /// Whichever blocks come, those are taken that fit, and every address is found as a search through all finds it.
        #[test]
        fn any_table_agrees_with_a_linear_search(
            blocks in vec((1..12_usize, 0..40_usize, 1..9_usize), 1..20),
            removed in vec(any::<bool>(), 12),
        ) {
            const PAGE: usize = 4096;
            let (mut table, mut model) = (BlockTable::default(), Vec::<(usize, Range<usize>)>::new());
            for (id, page, pages) in blocks {
                let range = (16 + page) * PAGE..(16 + page + pages) * PAGE;
                let fits = |(other, taken): &(usize, Range<usize>)| {
                    *other != id && (range.end <= taken.start || taken.end <= range.start)
                };
                let added = table.add(block(id, range.start, range.len() as u64)).is_ok();
                prop_assert_eq!(added, model.iter().all(fits));
                if added {
                    model.push((id, range));
                }
            }
            for round in 0..2 {
                for address in (15 * PAGE..70 * PAGE).step_by(PAGE / 2) {
                    let found = table.locate(address).map(|(index, _)| table.blocks()[index].id().0);
                    let wanted = model.iter().find(|(_, range)| range.contains(&address)).map(|(id, _)| *id);
                    prop_assert_eq!(found, wanted, "{:#x}", address);
                }
                for id in 0..12 {
                    let index = table.by_id(BlockId(id)).ok();
                    prop_assert_eq!(index.is_some(), model.iter().any(|(known, _)| *known == id));
                    prop_assert!(index.is_none_or(|index| table.blocks()[index].id() == BlockId(id)));
                }
                if round == 0 {
                    table.blocks().iter().filter(|block| removed[block.id().0]).for_each(|block| block.remove());
                    table.drop_removed();
                    model.retain(|(id, _)| !removed[*id]);
                }
            }
        }
    }
}
