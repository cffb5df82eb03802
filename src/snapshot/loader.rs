//! The background loader: places what nobody has asked for yet, unit by unit.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::pages::{Pages, UNIT};
use crate::error::Result;
use crate::incoming::{Ending, Engine};
use crate::memory::{BlockTable, RamBlock};

/// The units of all RAM, handed out one after the other.
pub(super) struct Units {
    next: AtomicUsize,
    /// Those that a worker has given back.
    returned: Mutex<Vec<(usize, Range<usize>)>>,
    blocks: Box<[Division]>,
}

/// How a block is divided: into units whose addresses are aligned, but for the first and the last.
struct Division {
    pages: usize,
    /// Pages a unit.
    unit: usize,
    /// How many pages of the first unit lie before the block.
    before: usize,
}

impl Division {
    fn new(block: &RamBlock) -> Self {
        let unit = block.page_of(UNIT).max(1);
        Self { pages: block.pages(), unit, before: block.page_of(block.host()) % unit }
    }

    fn units(&self) -> usize {
        (self.before + self.pages).div_ceil(self.unit)
    }

    fn unit(&self, number: usize) -> Range<usize> {
        let end = (number + 1) * self.unit - self.before;
        (number * self.unit).saturating_sub(self.before)..end.min(self.pages)
    }
}

impl Units {
    pub fn new(table: &BlockTable) -> Self {
        let blocks = table.blocks().iter().map(|block| Division::new(block));
        Self { next: AtomicUsize::new(0), returned: Mutex::default(), blocks: blocks.collect() }
    }

    /// The next unit that nobody has taken: a block's index, and pages of it.
    fn take(&self) -> Option<(usize, Range<usize>)> {
        if let Some(unit) = self.returned.lock().pop() {
            return Some(unit);
        }
        let mut number = self.next.fetch_add(1, Relaxed);
        for (index, block) in self.blocks.iter().enumerate() {
            if number < block.units() {
                return Some((index, block.unit(number)));
            }
            number -= block.units();
        }
        None
    }
}

/// The body of a loader thread.
pub(super) fn run(pages: &Pages, units: &Units, engine: &Engine, worker: usize) {
    while let Some((index, unit)) = units.take() {
        let mut taken = Taken { units, unit: Some((index, unit.clone())) };
        if let Err(Ending) = load_unit(pages, engine, worker, index, unit) {
            return;
        }
        taken.unit = None;
    }
}

/// A unit in hand: given back, should a panic come in between, so that it is not passed over.
struct Taken<'a> {
    units: &'a Units,
    unit: Option<(usize, Range<usize>)>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.units.returned.lock().extend(self.unit.take());
    }
}

/// Loads what is missing of a unit; after a failure again, once resumed: no unit is ever passed over.
fn load_unit(pages: &Pages, engine: &Engine, worker: usize, index: usize, unit: Range<usize>) -> Result<(), Ending> {
    loop {
        let pass = engine.gate.enter(worker, index)?;
        match place_missing(pages, engine, worker, index, unit.clone()) {
            Ok(()) => return Ok(()),
            Err(error) => engine.fail(pass, error.context("loading in the background")),
        }
    }
}

fn place_missing(pages: &Pages, engine: &Engine, worker: usize, index: usize, unit: Range<usize>) -> Result<()> {
    if pages.place_huge(engine, worker, index, unit.clone())? {
        return Ok(());
    }
    let received = engine.block(index).received();
    let mut from = unit.start;
    while let Some(missing) = received.find(from..unit.end, false) {
        from = received.find(missing..unit.end, true).unwrap_or(unit.end);
        pages.place(engine, worker, index, missing..from)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{BlockId, RamBlockSpec};

    #[test]
    fn units_cover_every_page_once() {
        let mut table = BlockTable::default();
        for (id, host, length, page_size) in
            [(1, 0x4000_1000, 5 << 20, 4096), (2, 0x8000_0000, 4096, 4096), (3, 0xc000_0000, 8 << 20, 4 << 20)]
        {
            let spec = RamBlockSpec { idstr: format!("block{id}"), host, length, page_size };
            table.add(RamBlock::new(BlockId(id), spec).unwrap()).unwrap();
        }
        let units = Units::new(&table);
        let taken: Vec<_> = std::iter::from_fn(|| units.take()).collect();
        assert_eq!(taken, [(0, 0..511), (0, 511..1023), (0, 1023..1280), (1, 0..1), (2, 0..1), (2, 1..2)]);
    }
}
