//! From the snapshot into RAM: places pages of RAM blocks with what the file holds of them.

use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::around;
use super::block::Kind;
use super::buffers::Buffers;
use super::file::Snapshot;
use super::order::UNIT;
use crate::error::{Result, ensure, error};
use crate::incoming::{Engine, Filling};
use crate::kernel::HUGE_PAGE;
use crate::memory::BlockTable;

/// The least that is read past the page cache: with less, pages that are read one after the other would all wait.
const LEAST_DIRECT: usize = 64 << 10;

/// How long a fault waits for all of its unit at most, about; then so many faults wait for their pages only.
const MOST_WAIT: Duration = Duration::from_millis(10);
const SINGLY: usize = 64;

/// A snapshot matched with a machine's RAM blocks.
pub(super) struct Pages {
    snapshot: Arc<Snapshot>,
    /// The snapshot's file, to be read past the page cache where it is not in that.
    direct: Option<OwnedFd>,
    /// For so many more faults of a crowd a disk is asked for pages: it took too long for a unit.
    singly: AtomicUsize,
    /// For each RAM block, by its index in the table: which of the snapshot's it is.
    sources: Box<[usize]>,
    /// Where each worker puts pages together.
    buffers: Box<[Buffers]>,
}

/// What there was to be had of a unit without waiting for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtHand {
    /// All: nothing of it is missing any more.
    All,
    /// Not all. If it is to be placed as one huge page, so many of its first bytes are in the worker's memory.
    Part(usize),
}

impl Pages {
    /// Matches the blocks.
    pub fn new(snapshot: Arc<Snapshot>, direct_io: bool, table: &BlockTable, workers: usize) -> Result<Self> {
        let direct = direct_io.then(|| snapshot.open_direct()).transpose()?;
        let sources = match_blocks(&snapshot, table)?;
        let room = table.largest_page_size().max(UNIT);
        let buffers = (0..workers).map(|_| Buffers::new(room)).collect::<Result<_>>()?;
        Ok(Self { snapshot, direct, singly: AtomicUsize::new(0), sources, buffers })
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

    /// Fetches what is in the page cache of a unit that goes as one huge page: how many bytes.
    fn fetch_unit(&self, engine: &Engine, worker: usize, index: usize, unit: &Range<usize>) -> usize {
        let block = engine.block(index);
        let (offset, length) = (block.offset_of(unit.start) as u64, block.offset_of(unit.len()));
        // SAFETY: each worker has a buffer to itself, which has room for a unit.
        unsafe { self.read_at_hand(self.sources[index], offset, self.buffers[worker].unit(), length) }
    }

    /// Fills as many of `length` bytes at `to` as can be had without waiting for a disk: how many.
    ///
    /// # Safety
    /// As for [`Snapshot::read`].
    unsafe fn read_at_hand(&self, source: usize, offset: u64, to: *mut u8, length: usize) -> usize {
        // What is not there would be read into the page cache for the next time.
        if self.direct.is_some() && !self.snapshot.is_cached(source, offset, length) {
            return 0;
        }
        // SAFETY: this function's contract is the same.
        unsafe { self.snapshot.read_cached(source, offset, to, length) }
    }

    /// Fills `length` bytes at `to`, all or an error.
    ///
    /// # Safety
    /// As for [`Snapshot::read`].
    unsafe fn read_waiting(&self, source: usize, offset: u64, to: *mut u8, length: usize) -> Result<()> {
        let direct = self.direct.as_ref().filter(|_| length >= LEAST_DIRECT);
        // SAFETY: this function's contract is the same. What cannot be read directly is not beyond the `length` bytes.
        unsafe {
            let read = direct.map(|file| self.snapshot.read_direct(file.as_fd(), source, offset, to, length));
            let read = read.unwrap_or(0);
            self.snapshot.read(source, offset + read as u64, to.wrapping_add(read), length - read)
        }
    }

    /// Places a unit that has been fetched.
    fn move_unit(&self, engine: &Engine, worker: usize, index: usize, unit: &Range<usize>) -> Result<()> {
        let buffers = &self.buffers[worker];
        // SAFETY: each worker has a buffer to itself, which holds the unit and nothing else.
        unsafe { engine.place_moving(index, unit.clone(), buffers.unit()) }?;
        buffers.unit_is_gone();
        Ok(())
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
        let most = block.page_of(self.buffers[worker].room());
        let count = (run.length as usize).div_ceil(block.page_size()).min(most);
        (pages.start..pages.start + count, false)
    }

    /// Places pages that a buffer has room for.
    fn place_data(&self, engine: &Engine, worker: usize, index: usize, pages: Range<usize>) -> Result<()> {
        let (source, block) = (self.sources[index], engine.block(index));
        let (offset, length) = (block.offset_of(pages.start) as u64, block.offset_of(pages.len()));
        let buffer = self.buffers[worker].pages();
        // SAFETY: each worker has a buffer to itself, and these pages fit into it.
        unsafe { self.read_waiting(source, offset, buffer, length) }?;
        engine.place(index, pages, Filling::Bytes(buffer))
    }

    /// Places what is missing of a unit, if that can be had without waiting for a disk.
    pub fn place_at_hand(&self, engine: &Engine, worker: usize, index: usize, unit: &Range<usize>) -> Result<AtHand> {
        if self.goes_huge(engine, index, unit) {
            let fetched = self.fetch_unit(engine, worker, index, unit);
            if fetched < UNIT {
                return Ok(AtHand::Part(fetched));
            }
            self.move_unit(engine, worker, index, unit)?;
            return Ok(AtHand::All);
        }
        Ok(if self.place_rest(engine, worker, index, unit)? { AtHand::All } else { AtHand::Part(0) })
    }

    /// Places what is missing of a unit; the worker has fetched so many of its bytes.
    pub fn place_waiting(
        &self,
        engine: &Engine,
        worker: usize,
        index: usize,
        unit: &Range<usize>,
        fetched: usize,
    ) -> Result<()> {
        let block = engine.block(index);
        if self.goes_huge(engine, index, unit) {
            let buffers = &self.buffers[worker];
            let offset = (block.offset_of(unit.start) + fetched) as u64;
            let to = buffers.unit().wrapping_add(fetched);
            if self.direct.is_none() {
                buffers.prepare();
            }
            // SAFETY: each worker has a buffer to itself, which has room for a unit.
            unsafe { self.read_waiting(self.sources[index], offset, to, UNIT - fetched) }?;
            return self.move_unit(engine, worker, index, unit);
        }
        let mut from = unit.start;
        while let Some(missing) = block.received().find(from..unit.end, false) {
            from = block.received().find(missing..unit.end, true).unwrap_or(unit.end);
            self.place(engine, worker, index, missing..from)?;
        }
        Ok(())
    }

    /// Places a page, and all else that is missing of its unit: as far as that can be had without waiting for a disk, or all of
    /// it if the page itself has to be waited for. What is then known to be in place: the unit, or just the page.
    pub fn place_around(
        &self,
        engine: &Engine,
        worker: usize,
        index: usize,
        page: usize,
        unit: &Range<usize>,
    ) -> Result<Range<usize>> {
        let goes_huge = self.goes_huge(engine, index, unit);
        let fetched = if goes_huge { self.fetch_unit(engine, worker, index, unit) } else { 0 };
        if fetched == UNIT {
            self.move_unit(engine, worker, index, unit)?;
            return Ok(unit.clone());
        }
        if self.place_along(engine, worker, index, page..page + 1)? == 0 {
            // Should something else of the unit be what cannot be had, this page still can.
            if goes_huge && self.waits_for_units() && self.place_timed(engine, worker, index, unit, fetched).is_ok() {
                return Ok(unit.clone());
            }
            self.place(engine, worker, index, page..page + 1)?;
        }
        let all = self.place_rest(engine, worker, index, unit)?;
        Ok(if all { unit.clone() } else { page..page + 1 })
    }

    /// Whether the disk is fast enough for a fault to wait for a unit.
    fn waits_for_units(&self) -> bool {
        self.singly.fetch_update(Relaxed, Relaxed, |faults| faults.checked_sub(1)).is_err()
    }

    /// The same as [`Pages::place_waiting`], and takes the time.
    fn place_timed(
        &self,
        engine: &Engine,
        worker: usize,
        index: usize,
        unit: &Range<usize>,
        fetched: usize,
    ) -> Result<()> {
        let start = Instant::now();
        let placed = self.place_waiting(engine, worker, index, unit, fetched);
        if placed.is_err() || start.elapsed() > MOST_WAIT {
            self.singly.store(SINGLY, Relaxed);
        }
        placed
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
        let buffer = self.buffers[worker].pages();
        let mut at = pages.start;
        while at < end {
            let (run, zeros) = self.next_run(engine, worker, index, at..end);
            let (offset, length) = (block.offset_of(run.start) as u64, block.offset_of(run.len()));
            let filling = if zeros {
                Filling::Zeros
            // SAFETY: each worker has a buffer to itself, and these pages fit into it.
            } else if unsafe { self.read_at_hand(self.sources[index], offset, buffer, length) } == length {
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
