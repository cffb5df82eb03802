//! A worker's own memory, in which it puts pages together. It takes none as long as it is not used.

use super::unit_map::UNIT;
use crate::error::Result;
use crate::kernel::Mapping;

/// How many units a worker has room for: of so many it has the memory ready when a disk comes up with their bytes.
const UNITS: usize = 4;

pub(super) struct Buffers {
    pages: Mapping,
    /// Room for units on huge pages, which are moved away.
    units: Mapping,
    /// How many have been.
    moved: usize,
}

impl Buffers {
    /// With room for so many bytes of pages.
    pub fn new(room: usize) -> Result<Self> {
        Ok(Self {
            pages: Mapping::new(room, "the pages of a thread that loads")?,
            units: Mapping::new_huge(UNITS * UNIT, "the units of a thread that loads")?,
            moved: 0,
        })
    }

    /// Where pages are put together that will be copied.
    pub fn pages(&mut self) -> &mut [u8] {
        self.pages.bytes()
    }

    /// How many bytes of pages there is room for.
    pub fn room(&self) -> usize {
        self.pages.len()
    }

    /// Where the next unit is put together that will be moved.
    pub fn unit(&mut self) -> &mut [u8] {
        let start = self.moved % UNITS * UNIT;
        &mut self.units.bytes()[start..start + UNIT]
    }

    /// It has been moved: the next one has a place of its own.
    pub fn unit_is_gone(&mut self) {
        self.moved = self.moved.wrapping_add(1);
    }

    /// Takes memory for all units, which costs more than half as much as filling it: now, while the disk is at work anyway. The
    /// last byte of a unit is not in use yet, if the first ones are.
    pub fn prepare(&mut self) {
        self.units.bytes().chunks_exact_mut(UNIT).for_each(|unit| unit[UNIT - 1] = 0);
    }
}
