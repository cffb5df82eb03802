//! Serves faults from a source: the page, and what is worth placing with it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backoff::UnitBackoff;
use super::notes::Notes;
use super::page_loader::{CacheOutcome, Cause, Demand, PageLoader};
use super::read_around::ReadAround;
use super::snapshot_load::SnapshotLoad;
use super::units::{Extent, UnitClaim};
use crate::engine::{Engine, FaultServer, PageFault, Wait};
use crate::error::Result;
use crate::sync::Mutex;

/// Owned by a fault thread.
pub(crate) struct FaultLoader {
    load: Arc<SnapshotLoad>,
    pages: PageLoader,
    habits: Arc<Mutex<Habits>>,
    /// Kept if the working set is recorded.
    notes: Option<Notes>,
}

/// What the threads of one userfaultfd have learnt.
#[derive(Default)]
pub(crate) struct Habits {
    read_around: ReadAround,
    backoff: UnitBackoff,
    /// The unit that the last fault was in.
    last_unit: Option<usize>,
    /// How many reads in a row came at once.
    quick_reads: u32,
}

/// A read that takes less has waited for no disk.
const QUICK: Duration = Duration::from_micros(10);

/// After so many in a row, none is expected to wait: on an older kernel it cannot be told of every file what is in the page cache.
const QUICK_READS: u32 = 8;

impl FaultLoader {
    /// For so many threads of one userfaultfd.
    pub fn all(load: &Arc<SnapshotLoad>, threads: u32) -> Result<Vec<Self>> {
        let habits = Arc::<Mutex<Habits>>::default();
        let new = |_| {
            Ok(Self {
                pages: PageLoader::new(load.pages.clone(), Demand::Faults)?,
                habits: habits.clone(),
                notes: load.config.working_set_record.as_ref().map(|_| Notes::default()),
                load: load.clone(),
            })
        };
        (0..threads).map(new).collect()
    }

    /// Places a page, and what is worth placing along with it. What was placed, or is in flight; None if that takes waiting for
    /// a disk, and that may not be.
    fn place(&mut self, engine: &Engine, fault: &PageFault, wait: Wait) -> Result<Option<Range<usize>>> {
        let &PageFault { index, page, concurrent, .. } = fault;
        if concurrent && self.load.extent == Some(Extent::All) {
            return self.place_unit(engine, index, page, wait);
        }
        let placed = match wait {
            Wait::Never => self.pages.place(engine, index, page..page + 1, Cause::FaultCached)?,
            Wait::AsLongAsItTakes => self.read(engine, index, page)?,
        };
        if placed == 0 {
            return Ok(None);
        }
        self.queued(index, page);
        // A guest that goes through its RAM will fault behind it.
        let along = self.habits.lock().read_around.faulted(index, page, engine.block(index).page_size());
        let mut placed = page..page + 1;
        if along > 0 && !concurrent {
            placed.end += self.pages.place_cached(engine, index, placed.end..placed.end + along)?;
        }
        Ok(Some(placed))
    }

    /// Places a page, and waits for the disk. How many were placed.
    fn read(&mut self, engine: &Engine, index: usize, page: usize) -> Result<usize> {
        let start = Instant::now();
        let placed = self.pages.place(engine, index, page..page + 1, Cause::Fault)?;
        let quick_reads = &mut self.habits.lock().quick_reads;
        *quick_reads = if start.elapsed() < QUICK { quick_reads.saturating_add(1) } else { 0 };
        Ok(placed)
    }

    /// Several threads fault concurrently: all of them are better off with a unit for each fault than with a page.
    fn place_unit(&mut self, engine: &Engine, index: usize, page: usize, wait: Wait) -> Result<Option<Range<usize>>> {
        let load = self.load.clone();
        let Some(mut unit) = load.units.claim_for_fault(load.units.map.number(index, page)) else {
            return Ok(Some(page..page + 1));
        };
        if wait == Wait::Never && !self.pages.is_there(engine, index, page) {
            return Ok(None);
        }
        unit.is_placed = self.place_around(engine, page, &unit)?;
        if unit.is_placed {
            return Ok(Some(unit.piece.pages.clone()));
        }
        self.queued(index, page);
        Ok(Some(page..page + 1))
    }

    /// Places a page, and all else that is missing of its unit: as far as that takes no waiting for a disk, or all of it if the
    /// page itself has to be waited for. Whether all of the unit is in place then.
    fn place_around(&mut self, engine: &Engine, page: usize, unit: &UnitClaim<'_>) -> Result<bool> {
        let piece = &unit.piece;
        let cached = self.pages.place_huge(engine, piece)?;
        if cached == CacheOutcome::All {
            return Ok(true);
        }
        if self.pages.place_cached(engine, piece.index, page..page + 1)? == 0 {
            // Only one thread reads all of it.
            if unit.is_first && cached != CacheOutcome::Pages && self.habits.lock().backoff.is_unit_next() {
                let start = Instant::now();
                self.pages.prefetch(engine, piece);
                let placed = self.pages.place_unit(engine, piece, cached);
                self.habits.lock().backoff.waited(start.elapsed(), placed.is_err());
                if placed.is_ok() {
                    return Ok(true);
                }
            }
            // Should something else of the unit be unreadable, this page still may be readable.
            self.read(engine, piece.index, page)?;
        }
        self.pages.place_rest_cached(engine, piece)
    }
}

impl FaultServer for FaultLoader {
    fn serve(&mut self, engine: &Engine, fault: &PageFault, wait: Wait) -> Result<bool> {
        let mut placed = self.place(engine, fault, wait)?;
        if placed.is_none() && self.habits.lock().quick_reads >= QUICK_READS {
            placed = self.place(engine, fault, Wait::AsLongAsItTakes)?;
        }
        let Some(placed) = placed else { return Ok(false) };
        if let Some(notes) = &mut self.notes {
            notes.add(engine.account().waits().now(), fault.index, &placed);
        }
        Ok(true)
    }

    /// The loader threads go where the fault was.
    fn queued(&mut self, index: usize, page: usize) {
        if self.load.extent.is_none() {
            return;
        }
        let unit = self.load.units.map.number(index, page);
        // One lock for each unit, not for each fault.
        if self.habits.lock().last_unit.replace(unit) != Some(unit) {
            self.load.units.faulted(unit);
        }
    }
}

impl Drop for FaultLoader {
    fn drop(&mut self) {
        if let Some(notes) = self.notes.take() {
            self.load.notes.lock().merge(notes);
        }
    }
}
