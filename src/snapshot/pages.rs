//! From the snapshot into RAM: places pages of RAM blocks with what the file holds of them.

use std::ops::Range;
use std::sync::Arc;

use super::block::Kind;
use super::file::Snapshot;
use crate::error::{Result, ensure, error};
use crate::incoming::{Engine, Filling};
use crate::kernel::Mapping;
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
    /// Matches the blocks. The workers' buffers have these sizes, each a host page of any block at least.
    pub fn new(snapshot: Arc<Snapshot>, table: &BlockTable, buffers: impl Iterator<Item = usize>) -> Result<Self> {
        let sources = match_blocks(&snapshot, table)?;
        let buffers = buffers.map(|size| Mapping::new(size, "the pages of a worker")).collect::<Result<_>>()?;
        Ok(Self { snapshot, sources, buffers })
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
            let end = if zeros > 0 {
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
            page = end;
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
