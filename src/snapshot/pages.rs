//! From the snapshot into RAM: places pages of RAM blocks with what the file holds of them.

use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::slice;
use std::sync::Arc;
use std::time::Instant;

use super::around;
use super::block::{GAP_AT_HAND, GAP_ON_DISK, Kind, Run};
use super::buffers::Buffers;
use super::file::Snapshot;
use super::order::UNIT;
use super::patience::Patience;
use super::zero_pages;
use crate::error::{Result, ensure, error};
use crate::incoming::{Engine, Filling};
use crate::kernel::HUGE_PAGE;
use crate::memory::BlockTable;

/// The least that is read past the page cache: with less, pages that are read one after the other would all wait.
const LEAST_DIRECT: usize = 64 << 10;

/// A snapshot matched with a machine's RAM blocks.
pub(super) struct Pages {
    snapshot: Arc<Snapshot>,
    /// The snapshot's file, to be read past the page cache where it is not in that.
    direct: Option<OwnedFd>,
    /// Pages of zeros are looked for among what is read.
    scans_for_zeros: bool,
    patience: Patience,
    /// For each RAM block, by its index in the table: which of the snapshot's it is.
    sources: Box<[usize]>,
    /// Where each worker puts pages together.
    buffers: Box<[Buffers]>,
}

/// What pages are placed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A thread waits for them: they are put in place.
    Fault,
    /// Nobody is known to wait for them: where zeros can stay missing, they do.
    Load,
    /// As for [`Cause::Load`], with what is in the page cache only.
    LoadAtHand,
}

impl Cause {
    /// Places pages that are zeros.
    fn place_zeros(self, engine: &Engine, index: usize, pages: Range<usize>) -> Result<()> {
        match self {
            Cause::Fault => engine.place(index, pages, Filling::Zeros),
            Cause::Load | Cause::LoadAtHand => engine.place_zeros(index, pages),
        }
    }

    /// Zeros up to so many bytes are read along with data.
    fn gap(self) -> u64 {
        match self {
            Cause::Fault | Cause::Load => GAP_ON_DISK,
            Cause::LoadAtHand => GAP_AT_HAND,
        }
    }
}

/// What became of a unit, without waiting for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtHand {
    /// Nothing of it is missing any more.
    All,
    /// It goes as one huge page, and so many of its first bytes are in the worker's memory.
    Part(usize),
    /// Pages are missing, and each goes by itself.
    Pages,
}

impl Pages {
    /// Matches the blocks.
    pub fn new(
        snapshot: Arc<Snapshot>,
        direct_io: bool,
        scans_for_zeros: bool,
        table: &BlockTable,
        workers: usize,
    ) -> Result<Self> {
        let sources = match_blocks(&snapshot, table)?;
        let direct = direct_io.then(|| snapshot.open_direct()).transpose()?;
        let room = table.largest_page_size().max(UNIT);
        let buffers = (0..workers).map(|_| Buffers::new(room)).collect::<Result<_>>()?;
        Ok(Self { snapshot, direct, scans_for_zeros, patience: Patience::default(), sources, buffers })
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
        // Not every file system gives what is in the page cache to who does not want to wait.
        let is_direct = || length >= LEAST_DIRECT && !self.snapshot.is_cached(source, offset, length);
        let direct = self.direct.as_ref().filter(|_| is_direct());
        // SAFETY: this function's contract is the same. What cannot be read directly is not beyond the `length` bytes.
        unsafe {
            let read = direct.map(|file| self.snapshot.read_direct(file.as_fd(), source, offset, to, length));
            let read = read.unwrap_or(0);
            self.snapshot.read(source, offset + read as u64, to.wrapping_add(read), length - read)
        }
    }

    /// Places a unit that has been fetched.
    fn move_unit(&self, engine: &Engine, worker: usize, index: usize, unit: &Range<usize>) -> Result<()> {
        let (buffers, block) = (&self.buffers[worker], engine.block(index));
        // SAFETY: each worker has a buffer to itself, which holds the unit.
        let bytes = unsafe { slice::from_raw_parts(buffers.unit(), block.offset_of(unit.len())) };
        if self.scans_for_zeros && zero_pages::are_most(bytes, block.page_size()) {
            // SAFETY: as above.
            return unsafe { self.place_data(engine, index, unit.clone(), buffers.unit(), Cause::Load) };
        }
        // SAFETY: each worker has a buffer to itself, which holds the unit and nothing else; `bytes` is not used any more.
        unsafe { engine.place_moving(index, unit.clone(), buffers.unit()) }?;
        buffers.unit_is_gone();
        Ok(())
    }

    /// Places pages whose bytes were read: all but those that turn out to be zeros, which are placed as such.
    ///
    /// # Safety
    /// The bytes of the pages at `from` can be read, and nobody writes to them meanwhile.
    unsafe fn place_data(
        &self,
        engine: &Engine,
        index: usize,
        pages: Range<usize>,
        from: *const u8,
        cause: Cause,
    ) -> Result<()> {
        if !self.scans_for_zeros {
            return engine.place(index, pages, Filling::Bytes(from));
        }
        let block = engine.block(index);
        // SAFETY: by this function's contract.
        let bytes = unsafe { slice::from_raw_parts(from, block.offset_of(pages.len())) };
        let mut at = pages.start;
        for (count, zeros) in zero_pages::runs(bytes, block.page_size()) {
            let run = at..at + count;
            if zeros {
                cause.place_zeros(engine, index, run)?;
            } else {
                let from = from.wrapping_add(block.offset_of(at - pages.start));
                engine.place(index, run, Filling::Bytes(from))?;
            }
            at += count;
        }
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

    /// Places the page that a thread waits for; it was not received yet, as far as anyone knows.
    pub fn place_for_fault(&self, engine: &Engine, worker: usize, index: usize, page: usize) -> Result<()> {
        self.place_for(Cause::Fault, engine, worker, index, page..page + 1)
    }

    /// Places pages of a block, none of which was received yet, as far as anyone knows.
    pub fn place(&self, engine: &Engine, worker: usize, index: usize, pages: Range<usize>) -> Result<()> {
        self.place_for(Cause::Load, engine, worker, index, pages)
    }

    fn place_for(&self, cause: Cause, engine: &Engine, worker: usize, index: usize, pages: Range<usize>) -> Result<()> {
        let source = self.sources[index];
        let placed = self.place_runs(engine, worker, index, pages, cause, |offset, to, length| {
            // SAFETY: that is what it is called for.
            unsafe { self.read_waiting(source, offset, to, length) }.map(|()| true)
        });
        placed.map(|_| ())
    }

    /// Places pages that nobody waits for, as long as they are missing and cost no time: where something is not in the page
    /// cache, they end. How many were placed.
    pub fn place_along(&self, engine: &Engine, worker: usize, index: usize, pages: Range<usize>) -> Result<usize> {
        let (source, block) = (self.sources[index], engine.block(index));
        let end = pages.end.min(block.pages()).max(pages.start);
        let end = block.received().find(pages.start..end, true).unwrap_or(end);
        self.place_runs(engine, worker, index, pages.start..end, Cause::LoadAtHand, |offset, to, length| {
            // SAFETY: that is what it is called for.
            Ok(unsafe { self.read_at_hand(source, offset, to, length) } == length)
        })
    }

    /// Places pages of a block: what is not zeros, or stands between few zeros, is read, from an offset on to memory
    /// with room for so many bytes; until that fails or comes to nothing (false). How many pages were placed.
    fn place_runs(
        &self,
        engine: &Engine,
        worker: usize,
        index: usize,
        pages: Range<usize>,
        cause: Cause,
        read: impl Fn(u64, *mut u8, usize) -> Result<bool>,
    ) -> Result<usize> {
        let (source, block) = (self.sources[index], engine.block(index));
        let buffers = &self.buffers[worker];
        let place_zeros = |pages| cause.place_zeros(engine, index, pages);
        // A host page can hold target pages of both kinds.
        let first_of = |run: Run| match block.page_of(run.length as usize) {
            zeros if run.kind == Kind::Zero && zeros > 0 => (zeros, true),
            _ => ((run.length as usize).div_ceil(block.page_size()), false),
        };
        let mut at = pages.start;
        while at < pages.end {
            let (offset, length) = (block.offset_of(at), block.offset_of(pages.end - at).min(buffers.room()));
            let (count, zeros) = first_of(self.snapshot.stretch(source, offset as u64, length as u64, cause.gap()));
            let end = at + count;
            if zeros {
                place_zeros(at..end)?;
                at = end;
                continue;
            }
            if !read(offset as u64, buffers.pages(), block.offset_of(count))? {
                break;
            }
            while at < end {
                let done = block.offset_of(at) - offset;
                let left = block.offset_of(end - at) as u64;
                let (count, zeros) = first_of(self.snapshot.run(source, block.offset_of(at) as u64, left));
                let pages = at..at + count;
                if zeros {
                    place_zeros(pages)?;
                } else {
                    // SAFETY: the worker's own memory, of which so much has been filled.
                    unsafe { self.place_data(engine, index, pages, buffers.pages().wrapping_add(done), cause) }?;
                }
                at += count;
            }
        }
        Ok(at - pages.start)
    }

    /// Places a unit that goes as one huge page, if it can be had without waiting for a disk.
    fn place_huge(&self, engine: &Engine, worker: usize, index: usize, unit: &Range<usize>) -> Result<AtHand> {
        if !self.goes_huge(engine, index, unit) {
            return Ok(AtHand::Pages);
        }
        let fetched = self.fetch_unit(engine, worker, index, unit);
        if fetched < UNIT {
            return Ok(AtHand::Part(fetched));
        }
        self.move_unit(engine, worker, index, unit).map(|()| AtHand::All)
    }

    /// Places what is missing of a unit, as far as that can be had without waiting for a disk.
    pub fn place_at_hand(&self, engine: &Engine, worker: usize, index: usize, unit: &Range<usize>) -> Result<AtHand> {
        let at_hand = self.place_huge(engine, worker, index, unit)?;
        let all = at_hand == AtHand::Pages && self.place_rest(engine, worker, index, unit)?;
        Ok(if all { AtHand::All } else { at_hand })
    }

    /// Places the rest of a unit, and waits for the disk.
    pub fn place_waiting(
        &self,
        engine: &Engine,
        worker: usize,
        index: usize,
        unit: &Range<usize>,
        at_hand: AtHand,
    ) -> Result<()> {
        let block = engine.block(index);
        match at_hand {
            AtHand::All => return Ok(()),
            AtHand::Part(fetched) if block.received().find(unit.clone(), true).is_none() => {
                let buffers = &self.buffers[worker];
                let offset = (block.offset_of(unit.start) + fetched) as u64;
                let to = buffers.unit().wrapping_add(fetched);
                // Else the disk would wait for that.
                if self.direct.is_none() {
                    buffers.prepare();
                }
                // SAFETY: each worker has a buffer to itself, which has room for a unit.
                unsafe { self.read_waiting(self.sources[index], offset, to, UNIT - fetched) }?;
                // Somebody else may have been faster.
                if block.received().find(unit.clone(), true).is_none() {
                    return self.move_unit(engine, worker, index, unit);
                }
            }
            AtHand::Part(_) | AtHand::Pages => {}
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
        let at_hand = self.place_huge(engine, worker, index, unit)?;
        if at_hand == AtHand::All {
            return Ok(unit.clone());
        }
        if self.place_along(engine, worker, index, page..page + 1)? == 0 {
            if at_hand != AtHand::Pages && self.patience.is_there() {
                let start = Instant::now();
                let placed = self.place_waiting(engine, worker, index, unit, at_hand);
                self.patience.waited(start.elapsed(), placed.is_err());
                if placed.is_ok() {
                    return Ok(unit.clone());
                }
            }
            // Should something else of the unit be what cannot be had, this page still can.
            self.place_for_fault(engine, worker, index, page)?;
        }
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
