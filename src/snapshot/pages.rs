//! From the snapshot into RAM: places pages of RAM blocks with what the file holds of them.

use std::ops::Range;
use std::sync::Arc;

use super::block::Kind;
use super::file::Snapshot;
use super::order::UNIT;
use crate::error::{Result, ensure, error};
use crate::incoming::{Engine, Filling};
use crate::kernel::{HUGE_PAGE, Mapping};
use crate::memory::BlockTable;

/// A snapshot matched with a machine's RAM blocks.
pub(super) struct Pages {
    snapshot: Arc<Snapshot>,
    /// For each RAM block, by its index in the table: which of the snapshot's it is.
    sources: Box<[usize]>,
    /// Where each worker puts pages together.
    buffers: Box<[Mapping]>,
}

impl Pages {
    /// Matches the blocks. A fault thread's buffer has room for a page of any block, a loader thread's for a unit, too.
    pub fn new(snapshot: Arc<Snapshot>, table: &BlockTable, fault_threads: usize, loaders: usize) -> Result<Self> {
        let sources = match_blocks(&snapshot, table)?;
        let page = table.largest_page_size();
        let for_faults = (0..fault_threads).map(|_| Mapping::new(page, "the page of a fault thread"));
        let for_loaders = (0..loaders).map(|_| Mapping::new_huge(page.max(UNIT), "the pages of a loader thread"));
        let buffers = for_faults.chain(for_loaders).collect::<Result<_>>()?;
        Ok(Self { snapshot, sources, buffers })
    }

    /// Which of the snapshot's blocks the RAM block with this index is.
    pub fn source_of(&self, index: usize) -> usize {
        self.sources[index]
    }

    /// Which RAM block a block of the snapshot is.
    pub fn index_of(&self, source: usize) -> usize {
        let index = self.sources.iter().position(|other| *other == source);
        index.expect("both sides have the same blocks")
    }

    /// Places a unit as one huge page, if that can be and is worth the memory: nothing of it was received yet, and at
    /// least half of it is data. False when it is not.
    pub fn place_huge(&self, engine: &Engine, worker: usize, index: usize, unit: Range<usize>) -> Result<bool> {
        let block = engine.block(index);
        let (offset, length) = (block.offset_of(unit.start), block.offset_of(unit.len()));
        let aligned = length == HUGE_PAGE && (block.host() + offset) % HUGE_PAGE == 0;
        if !aligned
            || !engine.registration.can_move(index)
            || block.received().find(unit.clone(), true).is_some()
            || self.data_bytes(self.sources[index], offset as u64, length as u64) < length as u64 / 2
        {
            return Ok(false);
        }
        let buffer = self.buffers[worker].as_ptr();
        // SAFETY: each worker has a buffer to itself, a loader's has room for a unit, and it holds nothing else.
        unsafe {
            self.snapshot.read(self.sources[index], offset as u64, buffer, length)?;
            engine.place_moving(index, unit, buffer)?;
        }
        Ok(true)
    }

    /// How much of a part of a snapshot's block is data.
    fn data_bytes(&self, source: usize, offset: u64, length: u64) -> u64 {
        let (mut at, mut data) = (offset, 0);
        while at < offset + length {
            let run = self.snapshot.run(source, at, offset + length - at);
            data += if run.kind == Kind::Data { run.length } else { 0 };
            at += run.length;
        }
        data
    }

    /// Places pages of a block, none of which was received yet, as far as anyone knows.
    pub fn place(&self, engine: &Engine, worker: usize, index: usize, pages: Range<usize>) -> Result<()> {
        let (source, buffer) = (self.sources[index], &self.buffers[worker]);
        let block = engine.block(index);
        let most = block.page_of(buffer.len());
        let mut page = pages.start;
        while page < pages.end {
            let offset = block.offset_of(page) as u64;
            let run = self.snapshot.run(source, offset, block.offset_of(pages.end - page) as u64);
            let zeros = if run.kind == Kind::Zero { block.page_of(run.length as usize) } else { 0 };
            page = if zeros > 0 {
                engine.place(index, page..page + zeros, Filling::Zeros)?;
                page + zeros
            } else {
                // A host page can hold target pages of both kinds.
                let count = (run.length as usize).div_ceil(block.page_size()).min(most);
                // SAFETY: each worker has a buffer to itself, and it has room for `most` pages.
                unsafe { self.snapshot.read(source, offset, buffer.as_ptr(), block.offset_of(count)) }?;
                engine.place(index, page..page + count, Filling::Bytes(buffer.as_ptr()))?;
                page + count
            };
        }
        Ok(())
    }
}

/// Which of the snapshot's blocks each RAM block is. They have to be the same on both sides.
fn match_blocks(snapshot: &Snapshot, table: &BlockTable) -> Result<Box<[usize]>> {
    let name = snapshot.name();
    for held in snapshot.blocks() {
        ensure!(
            table.blocks().iter().any(|block| block.idstr() == held.idstr()),
            EINVAL,
            "snapshot {name} has a RAM block '{}' of {:#x} bytes that this machine does not have",
            held.idstr(),
            held.length()
        );
    }
    let matched = table.blocks().iter().map(|block| {
        let source = snapshot.blocks().iter().position(|held| held.idstr() == block.idstr());
        let source = source.ok_or_else(|| error!(EINVAL, "{block} is not in snapshot {name}"))?;
        let held = snapshot.blocks()[source].length();
        ensure!(
            held == block.length() as u64,
            EINVAL,
            "{block} has {:#x} bytes, and snapshot {name} holds {held:#x} of it",
            block.length()
        );
        Ok(source)
    });
    matched.collect()
}
