//! A worker's own memory, in which it puts pages together. It takes none as long as it is not used.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::order::UNIT;
use crate::error::Result;
use crate::kernel::Mapping;

/// How many units a worker has room for: of so many it has the memory ready when a disk comes up with their bytes.
const UNITS: usize = 4;

pub(super) struct Buffers {
    pages: Mapping,
    /// Room for units on huge pages, which are moved away.
    units: Mapping,
    /// How many have been. Atomic only because the worker shares it.
    moved: AtomicUsize,
}

impl Buffers {
    /// With room for so many bytes of pages.
    pub fn new(room: usize) -> Result<Self> {
        Ok(Self {
            pages: Mapping::new(room, "the pages of a thread that loads")?,
            units: Mapping::new_huge(UNITS * UNIT, "the units of a thread that loads")?,
            moved: AtomicUsize::new(0),
        })
    }

    /// Where pages are put together that will be copied.
    pub fn pages(&self) -> *mut u8 {
        self.pages.as_ptr()
    }

    /// How many bytes of pages there is room for.
    pub fn room(&self) -> usize {
        self.pages.len()
    }

    /// Where the next unit is put together that will be moved.
    pub fn unit(&self) -> *mut u8 {
        self.units.as_ptr().wrapping_add(self.moved.load(Relaxed) % UNITS * UNIT)
    }

    /// It has been moved: the next one has a place of its own.
    pub fn unit_is_gone(&self) {
        self.moved.fetch_add(1, Relaxed);
    }

    /// Takes memory for all units, which costs more than half as much as filling it: while a disk is at work, that is for nothing.
    pub fn prepare(&self) {
        for number in 1..=UNITS {
            // SAFETY: inside a mapping of our own. The last byte of a unit is not in use yet, if the first ones are.
            unsafe { self.units.as_ptr().wrapping_add(number * UNIT - 1).write_volatile(0) };
        }
    }
}
