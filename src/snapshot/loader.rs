//! The background loader: places what nobody has asked for yet, unit by unit.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::load::SnapshotLoad;
use crate::error::Result;
use crate::incoming::{Ending, Engine};
use crate::memory::BlockTable;

/// How many bytes are loaded at once; a host page if that is larger. A pause waits for a unit at most.
pub(super) const UNIT: usize = 2 << 20;

/// The units of all RAM, handed out one after the other.
pub(super) struct Units {
    next: AtomicUsize,
    /// For each block: how many pages a unit has, and how many units there are.
    blocks: Box<[(usize, usize)]>,
}

impl Units {
    pub fn new(table: &BlockTable) -> Self {
        let blocks = table.blocks().iter().map(|block| {
            let pages = block.page_of(UNIT).max(1);
            (pages, block.pages().div_ceil(pages))
        });
        Self { next: AtomicUsize::new(0), blocks: blocks.collect() }
    }

    /// The next unit that nobody has taken: a block's index, the first page, how many pages at most.
    fn take(&self) -> Option<(usize, usize, usize)> {
        let mut number = self.next.fetch_add(1, Relaxed);
        for (index, (pages, units)) in self.blocks.iter().enumerate() {
            if number < *units {
                return Some((index, number * pages, *pages));
            }
            number -= units;
        }
        None
    }
}

/// The body of a loader thread.
pub(super) fn run(load: &SnapshotLoad, engine: &Engine, worker: usize) {
    let Ok(units) = load.units() else { return };
    while let Some((index, first, pages)) = units.take() {
        let end = (first + pages).min(engine.block(index).pages());
        if let Err(Ending) = load_unit(load, engine, worker, index, first, end) {
            return;
        }
    }
}

/// Loads what is missing of a unit; after a failure again, once resumed: no unit is ever passed over.
fn load_unit(
    load: &SnapshotLoad,
    engine: &Engine,
    worker: usize,
    index: usize,
    first: usize,
    end: usize,
) -> Result<(), Ending> {
    loop {
        let pass = engine.gate.enter(worker, index)?;
        match place_missing(load, engine, worker, index, first, end) {
            Ok(()) => return Ok(()),
            Err(error) => engine.fail(pass, error.context("loading in the background")),
        }
    }
}

fn place_missing(
    load: &SnapshotLoad,
    engine: &Engine,
    worker: usize,
    index: usize,
    first: usize,
    end: usize,
) -> Result<()> {
    let received = engine.block(index).received();
    let mut from = first;
    while let Some(missing) = received.find(from..end, false) {
        from = received.find(missing..end, true).unwrap_or(end);
        load.place(engine, worker, index, missing, from)?;
    }
    Ok(())
}
