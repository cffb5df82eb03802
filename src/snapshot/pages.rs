//! From the snapshot into RAM: places pages of RAM blocks with what the file holds of them.

use std::ops::Range;
use std::sync::Arc;

use super::around;
use super::block::Kind;
use super::file::Snapshot;
use super::order::UNIT;
use crate::error::{Result, ensure, error};
use crate::incoming::{Engine, Filling};
use crate::kernel::{HUGE_PAGE, Mapping};
use crate::memory::BlockTable;

/// Up to this many bytes are copied straight from the file's mapping: for more, reading them is as fast, and reads ahead.
const MOST_FROM_MAPPING: usize = 64 << 10;

/// The least that pages are made of.
const PROBE: usize = 4096;

/// A snapshot matched with a machine's RAM blocks.
pub(super) struct Pages {
    snapshot: Arc<Snapshot>,
    /// For each RAM block, by its index in the table: which of the snapshot's it is.
    sources: Box<[usize]>,
    /// Where each worker puts pages together.
    buffers: Box<[Buffers]>,
}

/// A worker's own memory. It takes none as long as it is not used.
struct Buffers {
    /// Has room for a page of any block, and for [`UNIT`] bytes.
    pages: Mapping,
    /// A unit on a huge page, to be moved away.
    unit: Mapping,
}

/// Where a unit's bytes may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The page cache only.
    Cache,
    /// The disk, if need be.
    Disk,
}

impl Pages {
    /// Matches the blocks.
    pub fn new(snapshot: Arc<Snapshot>, table: &BlockTable, workers: usize) -> Result<Self> {
        let sources = match_blocks(&snapshot, table)?;
        let room = table.largest_page_size().max(UNIT);
        let buffers = (0..workers).map(|_| {
            Ok(Buffers {
                pages: Mapping::new(room, "the pages of a thread that loads")?,
                unit: Mapping::new_huge(UNIT, "the unit of a thread that loads")?,
            })
        });
        let buffers = buffers.collect::<Result<_>>()?;
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

    /// Bytes of the RAM block with this index that are zeros, in runs of a unit at least.
    pub fn zeros(&self, index: usize) -> Vec<Range<usize>> {
        let source = self.sources[index];
        let length = self.snapshot.blocks()[source].length();
        let (mut at, mut zeros) = (0, Vec::new());
        while at < length {
            let run = self.snapshot.run(source, at, length - at);
            if run.kind == Kind::Zero && run.length >= UNIT as u64 {
                zeros.push(at as usize..(at + run.length) as usize);
            }
            at += run.length;
        }
        zeros
    }

    /// Whether a unit is to be placed as one huge page: that can be, and is worth the memory. Nothing of it was received yet,
    /// and at least half of it is data.
    fn goes_huge(&self, engine: &Engine, index: usize, unit: &Range<usize>) -> bool {
        let (source, block) = (self.sources[index], engine.block(index));
        let (offset, length) = (block.offset_of(unit.start), block.offset_of(unit.len()));
        length == HUGE_PAGE
            && (block.host() + offset) % HUGE_PAGE == 0
            && engine.registration.can_move(index)
            && block.received().find(unit.clone(), true).is_none()
            && self.data_bytes(source, offset as u64, length as u64) >= length as u64 / 2
    }

    /// Places a unit as one huge page. False when it is not to be placed so, or is not all where it may come from.
    pub fn place_huge(
        &self,
        engine: &Engine,
        worker: usize,
        index: usize,
        unit: &Range<usize>,
        from: Origin,
    ) -> Result<bool> {
        Ok(self.goes_huge(engine, index, unit) && self.move_unit(engine, worker, index, unit, from)?)
    }

    /// Places a unit that goes as one huge page. False when it is not all where it may come from.
    fn move_unit(
        &self,
        engine: &Engine,
        worker: usize,
        index: usize,
        unit: &Range<usize>,
        from: Origin,
    ) -> Result<bool> {
        let (source, block) = (self.sources[index], engine.block(index));
        let (offset, length) = (block.offset_of(unit.start) as u64, block.offset_of(unit.len()));
        let buffer = self.buffers[worker].unit.as_ptr();
        // SAFETY: each worker has a buffer to itself, which has room for a unit and holds nothing else.
        unsafe {
            match from {
                Origin::Disk => self.snapshot.read(source, offset, buffer, length)?,
                Origin::Cache if self.snapshot.read_cached(source, offset, buffer, length) => {}
                Origin::Cache => return Ok(false),
            }
            engine.place_moving(index, unit.clone(), buffer)?;
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
        let mut at = pages.start;
        while at < pages.end {
            let (run, zeros) = self.next_run(engine, worker, index, at..pages.end);
            if zeros {
                engine.place(index, run.clone(), Filling::Zeros)?;
            } else {
                self.place_data(engine, worker, index, run.clone())?;
            }
            at = run.end;
        }
        Ok(())
    }

    /// The first of these pages that are all zeros, or that are not and that fit into a buffer; whether they are zeros.
    fn next_run(&self, engine: &Engine, worker: usize, index: usize, pages: Range<usize>) -> (Range<usize>, bool) {
        let block = engine.block(index);
        let (offset, length) = (block.offset_of(pages.start) as u64, block.offset_of(pages.len()) as u64);
        let run = self.snapshot.run(self.sources[index], offset, length);
        let zeros = if run.kind == Kind::Zero { block.page_of(run.length as usize) } else { 0 };
        if zeros > 0 {
            return (pages.start..pages.start + zeros, true);
        }
        // A host page can hold target pages of both kinds.
        let most = block.page_of(self.buffers[worker].pages.len());
        let count = (run.length as usize).div_ceil(block.page_size()).min(most);
        (pages.start..pages.start + count, false)
    }

    /// Places pages that a buffer has room for.
    fn place_data(&self, engine: &Engine, worker: usize, index: usize, pages: Range<usize>) -> Result<()> {
        let (source, block) = (self.sources[index], engine.block(index));
        let (offset, length) = (block.offset_of(pages.start) as u64, block.offset_of(pages.len()));
        // Whoever discards waits for the placing, and that is not to wait for a disk.
        if length <= MOST_FROM_MAPPING && engine.discards.is_none() {
            if let Some(from) = self.snapshot.in_memory(source, offset, length) {
                match engine.place(index, pages.clone(), Filling::Bytes(from)) {
                    // Reading will tell what is wrong with the file.
                    Err(error) if error.errno() == libc::EFAULT => {}
                    done => return done,
                }
            }
        }
        let buffer = self.buffers[worker].pages.as_ptr();
        // SAFETY: each worker has a buffer to itself, and these pages fit into it.
        unsafe { self.snapshot.read(source, offset, buffer, length) }?;
        engine.place(index, pages, Filling::Bytes(buffer))
    }

    /// Whether the end of a unit can be had without waiting for a disk: of what is read ahead it comes last.
    fn end_is_at_hand(&self, engine: &Engine, worker: usize, index: usize, unit: &Range<usize>) -> bool {
        let (source, buffer) = (self.sources[index], self.buffers[worker].pages.as_ptr());
        let offset = (engine.block(index).offset_of(unit.end) - PROBE) as u64;
        // SAFETY: each worker has a buffer to itself, which has room for a page of any block.
        self.snapshot.run(source, offset, PROBE as u64).kind == Kind::Zero
            || unsafe { self.snapshot.read_cached(source, offset, buffer, PROBE) }
    }

    /// Places what is missing of a unit, if that can be had without waiting for a disk. Whether all of it is in place.
    pub fn place_at_hand(&self, engine: &Engine, worker: usize, index: usize, unit: &Range<usize>) -> Result<bool> {
        if !self.end_is_at_hand(engine, worker, index, unit) {
            return Ok(false);
        }
        if self.goes_huge(engine, index, unit) {
            return self.move_unit(engine, worker, index, unit, Origin::Cache);
        }
        self.place_rest(engine, worker, index, unit)
    }

    /// Places a page and all else that is missing of its unit, as far as that can be had without waiting for a disk. What is
    /// then known to be in place: the unit, or just the page.
    pub fn place_around(
        &self,
        engine: &Engine,
        worker: usize,
        index: usize,
        page: usize,
        unit: &Range<usize>,
    ) -> Result<Range<usize>> {
        if self.place_huge(engine, worker, index, unit, Origin::Cache)? {
            return Ok(unit.clone());
        }
        self.place(engine, worker, index, page..page + 1)?;
        let all = self.place_rest(engine, worker, index, unit)?;
        Ok(if all { unit.clone() } else { page..page + 1 })
    }

    /// Places what is missing of a unit page by page, up to where that would mean to wait for a disk. Whether it came to the end.
    fn place_rest(&self, engine: &Engine, worker: usize, index: usize, unit: &Range<usize>) -> Result<bool> {
        let block = engine.block(index);
        let most = block.page_of(around::MOST_BYTES).max(1);
        let mut at = unit.start;
        while let Some(missing) = block.received().find(at..unit.end, false) {
            let placed = self.place_along(engine, worker, index, missing..unit.end.min(missing + most))?;
            if placed == 0 && !block.received().get(missing) {
                return Ok(false);
            }
            at = missing + placed;
        }
        Ok(true)
    }

    /// Places pages that nobody waits for, run by run, as long as they are missing and cost no time: a run of which something is
    /// not in the page cache ends it. How many were placed.
    pub fn place_along(&self, engine: &Engine, worker: usize, index: usize, pages: Range<usize>) -> Result<usize> {
        let block = engine.block(index);
        let end = pages.end.min(block.pages()).max(pages.start);
        let end = block.received().find(pages.start..end, true).unwrap_or(end);
        let buffer = self.buffers[worker].pages.as_ptr();
        let mut at = pages.start;
        while at < end {
            let (run, zeros) = self.next_run(engine, worker, index, at..end);
            let (offset, length) = (block.offset_of(run.start) as u64, block.offset_of(run.len()));
            let filling = if zeros {
                Filling::Zeros
            // SAFETY: each worker has a buffer to itself, and these pages fit into it.
            } else if unsafe { self.snapshot.read_cached(self.sources[index], offset, buffer, length) } {
                Filling::Bytes(buffer)
            } else {
                break;
            };
            engine.place(index, run.clone(), filling)?;
            at = run.end;
        }
        Ok(at - pages.start)
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
