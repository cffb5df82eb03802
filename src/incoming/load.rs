//! A snapshot load as the set-up sees it.

use std::ops::Range;

use super::engine::Engine;
use crate::error::Result;
use crate::kernel::Maps;
use crate::memory::BlockTable;

/// Restores all RAM: serves faults as a page handler and loads the rest in the background.
pub(crate) trait Load: Send + Sync {
    /// Checks that the RAM fits, before anything is changed; `fault_threads` and [`Load::threads`] workers will follow.
    fn prepare(&self, table: &BlockTable, fault_threads: usize) -> Result<()>;

    /// Refuses RAM that is mapped from where its pages are read: loading it would destroy them.
    fn check_apart(&self, table: &BlockTable, maps: &Maps) -> Result<()>;

    /// Whether what is present in RAM stays.
    fn keeps_present(&self) -> bool;

    /// Whether pages may be moved into RAM, which makes huge pages.
    fn makes_huge_pages(&self) -> bool;

    /// Bytes of the RAM block with this index that are to be zeros, in ascending order; short runs of them may be left out.
    fn zeros(&self, index: usize) -> Vec<Range<usize>>;

    /// A thread waits for a page, and others are served before it: loader threads may help.
    fn queued(&self, index: usize, page: usize);

    /// How many threads load in the background.
    fn threads(&self) -> usize;

    /// The body of a loader thread; returns when nothing is left to load, or all is ending.
    fn run(&self, engine: &Engine, worker: usize);

    /// All threads have ended, and the RAM is about to be let go of.
    fn finish(&self, engine: &Engine);
}
