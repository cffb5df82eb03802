//! Serves the faults of one fault thread from a source: the page, and what is worth placing with it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::backoff::UnitBackoff;
use super::notes::Notes;
use super::page_loader::{CacheOutcome, Cause, PageLoader};
use super::read_around::ReadAround;
use super::snapshot_load::SnapshotLoad;
use super::unit_map::Piece;
use super::units::Extent;
use crate::engine::{Engine, FaultServer, PageFault};
use crate::error::Result;

/// Owned by a fault thread.
pub(crate) struct FaultLoader {
    load: Arc<SnapshotLoad>,
    pages: PageLoader,
    read_around: ReadAround,
    backoff: UnitBackoff,
    /// Kept if the working set is recorded.
    notes: Option<Notes>,
    /// The unit that the last fault was in.
    last_unit: Option<usize>,
}

impl FaultLoader {
    pub fn new(load: &Arc<SnapshotLoad>) -> Result<Self> {
        Ok(Self {
            pages: PageLoader::new(load.pages.clone())?,
            read_around: ReadAround::default(),
            backoff: UnitBackoff::default(),
            notes: load.config.working_set_record.as_ref().map(|_| Notes::default()),
            last_unit: None,
            load: load.clone(),
        })
    }

    /// Places the page, and along with it pages behind it where a guest goes through its RAM. What was placed.
    fn serve_page(&mut self, engine: &Engine, fault: &PageFault) -> Result<Range<usize>> {
        let &PageFault { index, page, concurrent, .. } = fault;
        self.pages.place(engine, index, page..page + 1, Cause::Fault)?;
        self.queued(index, page);
        let along = self.read_around.faulted(index, page, engine.block(index).page_size());
        let mut placed = page..page + 1;
        if along > 0 && !concurrent {
            placed.end += self.pages.place_cached(engine, index, placed.end..placed.end + along)?;
        }
        Ok(placed)
    }

    /// Several threads fault concurrently: all of them are better off with a unit for each fault than with a page. What was placed,
    /// or is in flight.
    fn serve_unit(&mut self, engine: &Engine, index: usize, page: usize) -> Result<Range<usize>> {
        let load = self.load.clone();
        let Some(mut unit) = load.units.claim_for_fault(load.units.map.number(index, page)) else {
            return Ok(page..page + 1);
        };
        unit.is_placed = self.place_around(engine, page, &unit.piece)?;
        if unit.is_placed {
            return Ok(unit.piece.pages.clone());
        }
        self.queued(index, page);
        Ok(page..page + 1)
    }

    /// Places a page, and all else that is missing of its unit: as far as that takes no waiting for a disk, or all of it if the
    /// page itself has to be waited for. Whether all of the unit is in place then.
    fn place_around(&mut self, engine: &Engine, page: usize, unit: &Piece) -> Result<bool> {
        let cached = self.pages.place_huge(engine, unit)?;
        if cached == CacheOutcome::All {
            return Ok(true);
        }
        if self.pages.place_cached(engine, unit.index, page..page + 1)? == 0 {
            if cached != CacheOutcome::Pages && self.backoff.is_unit_next() {
                let start = Instant::now();
                let placed = self.pages.place_unit(engine, unit, cached);
                self.backoff.waited(start.elapsed(), placed.is_err());
                if placed.is_ok() {
                    return Ok(true);
                }
            }
            // Should something else of the unit be unreadable, this page still may be readable.
            self.pages.place(engine, unit.index, page..page + 1, Cause::Fault)?;
        }
        self.pages.place_rest_cached(engine, unit)
    }
}

impl FaultServer for FaultLoader {
    fn serve(&mut self, engine: &Engine, fault: &PageFault) -> Result<()> {
        let &PageFault { index, page, concurrent, .. } = fault;
        let placed = if concurrent && self.load.extent == Some(Extent::All) {
            self.serve_unit(engine, index, page)?
        } else {
            self.serve_page(engine, fault)?
        };
        if let Some(notes) = &mut self.notes {
            notes.add(engine.account().waits().now(), index, &placed);
        }
        Ok(())
    }

    /// The loader threads go where the fault was.
    fn queued(&mut self, index: usize, page: usize) {
        if self.load.extent.is_none() {
            return;
        }
        let unit = self.load.units.map.number(index, page);
        // One lock for each unit, not for each fault.
        if self.last_unit.replace(unit) != Some(unit) {
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
