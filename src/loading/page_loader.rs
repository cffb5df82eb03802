//! From a source into RAM: reads into a worker's own memory, and has the engine place that.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::buffers::Buffers;
use super::read_around;
use super::unit_map::{Piece, UNIT};
use super::zero_pages;
use crate::engine::{Engine, Filling};
use crate::error::Result;
use crate::kernel::HUGE_PAGE;
use crate::source::{GAP_CACHED, GAP_ON_DISK, Kind, PageSource, Run, runs};
use crate::stats::Stats;

/// What all workers read from.
pub(super) struct Pages {
    pub source: Arc<dyn PageSource>,
    /// For each RAM block, by its index: the number of the source's block.
    pub blocks: Box<[usize]>,
    /// Pages of zeros are looked for among what is read.
    pub scans_for_zeros: bool,
    /// The source begins to fetch what it could not give at once.
    pub fetches_ahead: bool,
    /// How many bytes of pages a worker has room for.
    pub room: usize,
}

/// One worker's part of it, which it owns.
pub(super) struct PageLoader {
    pages: Arc<Pages>,
    buffers: Buffers,
    demand: Demand,
}

/// Who reads, for the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// A fault thread, since a thread waits.
    Faults,
    Background,
}

impl Demand {
    /// Counts bytes that were read from the page cache, or by a call that may have waited.
    fn count(self, engine: &Engine, by: fn(&Stats) -> &AtomicU64, bytes: usize) {
        let stats = engine.account().stats();
        Stats::count(by(stats), bytes as u64);
        if self == Self::Faults {
            Stats::count(&stats.bytes_read_on_demand, bytes as u64);
        }
    }
}

const CACHED: fn(&Stats) -> &AtomicU64 = |stats| &stats.bytes_read_cached;
const WAITING: fn(&Stats) -> &AtomicU64 = |stats| &stats.bytes_read_waiting;

/// What pages are placed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A thread waits for them: they are put in place.
    Fault,
    /// As for [`Cause::Fault`], with what is in the page cache only.
    FaultCached,
    /// No thread is known to wait for them: where zeros can stay missing, they do.
    Load,
    /// As for [`Cause::Load`], with what is in the page cache only.
    LoadCached,
}

/// What became of a unit, without waiting for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CacheOutcome {
    /// Nothing of it is missing any more.
    All,
    /// It goes as one huge page, and so many of its first bytes are in the worker's memory.
    Part(usize),
    /// Pages are missing, and each goes by itself.
    Pages,
}

impl Cause {
    /// Places pages that are zeros.
    fn place_zeros(self, engine: &Engine, index: usize, pages: Range<usize>) -> Result<()> {
        match self {
            Cause::Fault | Cause::FaultCached => engine.place(index, pages, Filling::Zeros),
            Cause::Load | Cause::LoadCached => engine.place_zeros(index, pages),
        }
    }

    /// Zeros up to so many bytes are read along with data.
    fn gap(self) -> u64 {
        match self {
            Cause::Fault | Cause::Load => GAP_ON_DISK,
            Cause::FaultCached | Cause::LoadCached => GAP_CACHED,
        }
    }
}

impl Pages {
    /// The runs that these bytes of the RAM block with this index consist of, each with its offset.
    pub fn runs(&self, index: usize, bytes: Range<u64>) -> impl Iterator<Item = (u64, Run)> {
        runs(bytes, move |at, max| self.source.run(self.blocks[index], at, max))
    }

    /// All bytes of the RAM block.
    pub fn all(&self, index: usize) -> Range<u64> {
        0..self.source.info().blocks[self.blocks[index]].length()
    }

    /// Which of these bytes of the RAM block are data.
    pub fn data(&self, index: usize, bytes: Range<u64>) -> impl Iterator<Item = Range<usize>> {
        let data = self.runs(index, bytes).filter(|(_, run)| run.kind == Kind::Data);
        data.map(|(at, run)| at as usize..(at + run.length) as usize)
    }

    /// Places pages whose bytes were read: all but those that turn out to be zeros, which are placed as such.
    fn place_data(&self, engine: &Engine, index: usize, pages: Range<usize>, bytes: &[u8], cause: Cause) -> Result<()> {
        if !self.scans_for_zeros {
            return engine.place(index, pages, Filling::Bytes(bytes.as_ptr()));
        }
        let block = engine.block(index);
        let mut at = pages.start;
        for (count, zeros) in zero_pages::runs(bytes, block.page_size()) {
            let run = at..at + count;
            if zeros {
                cause.place_zeros(engine, index, run)?;
                Stats::count(&engine.account().stats().bytes_of_zeros, block.offset_of(count) as u64);
            } else {
                let from = &bytes[block.offset_of(at - pages.start)..];
                engine.place(index, run, Filling::Bytes(from.as_ptr()))?;
            }
            at += count;
        }
        Ok(())
    }
}

/// How many whole pages a run begins with that are all zeros or not: a host page can hold target pages of both kinds.
fn first_of(run: Run, page_size: usize) -> (usize, bool) {
    let length = run.length as usize;
    match length / page_size {
        zeros if run.kind == Kind::Zero && zeros > 0 => (zeros, true),
        _ => (length.div_ceil(page_size), false),
    }
}

impl PageLoader {
    pub fn new(pages: Arc<Pages>, demand: Demand) -> Result<Self> {
        let buffers = Buffers::new(pages.room)?;
        Ok(Self { pages, buffers, demand })
    }

    /// Places pages that no thread waits for, as long as they are missing and cost no time: where something is not in the page
    /// cache, they end. How many were placed.
    pub fn place_cached(&mut self, engine: &Engine, index: usize, pages: Range<usize>) -> Result<usize> {
        let block = engine.block(index);
        let end = pages.end.min(block.pages()).max(pages.start);
        let end = block.received().find(pages.start..end, true).unwrap_or(end);
        self.place(engine, index, pages.start..end, Cause::LoadCached)
    }

    /// Places pages of a block, none of which was received yet, as far as anyone knows: what is not zeros, or stands between
    /// few zeros, is read, until that fails or there is no more of it in the page cache, if it is to be from there. How many
    /// pages were placed.
    pub fn place(&mut self, engine: &Engine, index: usize, pages: Range<usize>, cause: Cause) -> Result<usize> {
        let Self { pages: shared, buffers, demand } = self;
        let (source, block) = (shared.blocks[index], engine.block(index));
        let mut at = pages.start;
        while at < pages.end {
            let (offset, length) = (block.offset_of(at), block.offset_of(pages.end - at).min(buffers.room()));
            // A page that a thread waits for is all of one kind, mostly: then this is all that there is to ask.
            let run = shared.source.run(source, offset as u64, length as u64);
            let is_one_run = run.length == length as u64;
            let stretch =
                if is_one_run { run } else { shared.source.stretch(source, offset as u64, length as u64, cause.gap()) };
            let (count, zeros) = first_of(stretch, block.page_size());
            let end = at + count;
            if zeros {
                cause.place_zeros(engine, index, at..end)?;
                at = end;
                continue;
            }
            let bytes = &mut buffers.pages()[..block.offset_of(count)];
            if matches!(cause, Cause::Fault | Cause::Load) {
                shared.source.read(source, offset as u64, bytes)?;
                demand.count(engine, WAITING, bytes.len());
            } else if shared.source.read_cached(source, offset as u64, bytes) < bytes.len() {
                break;
            } else {
                demand.count(engine, CACHED, bytes.len());
            }
            while at < end {
                let left = block.offsets_of(&(at..end));
                let run =
                    if is_one_run { run } else { shared.source.run(source, left.start as u64, left.len() as u64) };
                let (count, zeros) = first_of(run, block.page_size());
                if zeros {
                    cause.place_zeros(engine, index, at..at + count)?;
                } else {
                    let data = &bytes[left.start - offset..][..block.offset_of(count)];
                    shared.place_data(engine, index, at..at + count, data, cause)?;
                }
                at += count;
            }
        }
        Ok(at - pages.start)
    }

    /// Has the disk read a piece that is going to be placed, all of it at once.
    pub fn prefetch(&self, engine: &Engine, Piece { index, pages }: &Piece) {
        let bytes = engine.block(*index).offsets_of(pages);
        self.pages.source.prefetch(self.pages.blocks[*index], bytes.start as u64, bytes.len() as u64);
    }

    /// Whether placing a page takes no waiting for a disk.
    pub fn is_there(&mut self, engine: &Engine, index: usize, page: usize) -> bool {
        let (source, offset) = (self.pages.blocks[index], engine.block(index).offset_of(page) as u64);
        let bytes = &mut self.buffers.pages()[..engine.block(index).page_size()];
        self.pages.source.read_cached(source, offset, bytes) == bytes.len()
    }

    /// Whether a unit is to be placed as one huge page: that can be, and is worth the memory. Nothing of it was received yet,
    /// and at least half of it is data.
    fn goes_huge(&self, engine: &Engine, unit: &Piece) -> bool {
        let block = engine.block(unit.index);
        let Range { start, end } = block.offsets_of(&unit.pages);
        let data_bytes = || {
            let data = self.pages.runs(unit.index, start as u64..end as u64).filter(|(_, run)| run.kind == Kind::Data);
            data.map(|(_, run)| run.length as usize).sum::<usize>()
        };
        end - start == HUGE_PAGE
            && (block.host() + start) % HUGE_PAGE == 0
            && engine.registration().can_move(unit.index)
            && is_all_missing(engine, unit)
            && data_bytes() >= HUGE_PAGE / 2
    }

    /// Places a unit that goes as one huge page, if that takes no waiting for a disk.
    pub fn place_huge(&mut self, engine: &Engine, unit: &Piece) -> Result<CacheOutcome> {
        if !self.goes_huge(engine, unit) {
            return Ok(CacheOutcome::Pages);
        }
        let (source, offset) = (self.pages.blocks[unit.index], engine.block(unit.index).offset_of(unit.pages.start));
        let fetched = self.pages.source.read_cached(source, offset as u64, self.buffers.unit());
        self.demand.count(engine, CACHED, fetched);
        if fetched < UNIT {
            return Ok(CacheOutcome::Part(fetched));
        }
        self.move_unit(engine, unit).map(|()| CacheOutcome::All)
    }

    /// Places a unit that has been fetched.
    fn move_unit(&mut self, engine: &Engine, Piece { index, pages }: &Piece) -> Result<()> {
        let bytes = self.buffers.unit();
        if self.pages.scans_for_zeros && zero_pages::are_most(bytes, engine.block(*index).page_size()) {
            return self.pages.place_data(engine, *index, pages.clone(), bytes, Cause::Load);
        }
        engine.place_moving(*index, pages.clone(), bytes)?;
        self.buffers.unit_is_gone();
        Ok(())
    }

    /// Places what is missing of a unit, as far as that takes no waiting for a disk.
    pub fn place_unit_cached(&mut self, engine: &Engine, unit: &Piece) -> Result<CacheOutcome> {
        let outcome = self.place_huge(engine, unit)?;
        let all = outcome == CacheOutcome::Pages && self.place_rest_cached(engine, unit)?;
        Ok(if all { CacheOutcome::All } else { outcome })
    }

    /// Places the rest of a unit, and waits for the disk.
    pub fn place_unit(&mut self, engine: &Engine, unit: &Piece, cached: CacheOutcome) -> Result<()> {
        let Piece { index, pages } = unit;
        let block = engine.block(*index);
        match cached {
            CacheOutcome::All => return Ok(()),
            CacheOutcome::Part(fetched) if is_all_missing(engine, unit) => {
                // The disk is at work already: the memory is zeroed meanwhile.
                if self.pages.fetches_ahead {
                    self.buffers.prepare();
                }
                let source = self.pages.blocks[*index];
                let rest = &mut self.buffers.unit()[fetched..];
                self.pages.source.read(source, (block.offset_of(pages.start) + fetched) as u64, rest)?;
                self.demand.count(engine, WAITING, rest.len());
                // Another thread may have been faster.
                if is_all_missing(engine, unit) {
                    return self.move_unit(engine, unit);
                }
            }
            CacheOutcome::Part(_) | CacheOutcome::Pages => {}
        }
        let mut from = pages.start;
        while let Some(missing) = block.received().find(from..pages.end, false) {
            from = block.received().find(missing..pages.end, true).unwrap_or(pages.end);
            self.place(engine, *index, missing..from, Cause::Load)?;
        }
        Ok(())
    }

    /// Places what is missing of a unit page by page, up to where that would mean to wait for a disk. Whether it came to the end.
    pub fn place_rest_cached(&mut self, engine: &Engine, Piece { index, pages }: &Piece) -> Result<bool> {
        let block = engine.block(*index);
        let most = block.page_of(read_around::MOST_BYTES).max(1);
        let mut at = pages.start;
        while let Some(missing) = block.received().find(at..pages.end, false) {
            let placed = self.place_cached(engine, *index, missing..pages.end.min(missing + most))?;
            if placed == 0 && !block.received().get(missing) {
                return Ok(false);
            }
            at = missing + placed;
        }
        Ok(true)
    }
}

/// Whether no page of a piece was received yet.
fn is_all_missing(engine: &Engine, piece: &Piece) -> bool {
    engine.block(piece.index).received().find(piece.pages.clone(), true).is_none()
}
