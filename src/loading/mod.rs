//! Loading a snapshot: the faults of a guest first, everything else in the background.
//!
//! The files, from the lowest to the highest: each uses only what stands before it.
//!
//! - `config`: how to load.
//! - `unit_map`, `pieces`, `ahead`, `units`: what is loaded at once, in which order, and by whom.
//! - `working_set`: its file. `notes`: what fault threads note for it.
//! - `matching`, `buffers`, `zero_pages`, `read_around`, `backoff`, `page_loader`: from a source into RAM. `mapped`: RAM that is
//!   mapped from the source's file.
//! - `snapshot_load`: what all workers share. `fault_loader`, `background`: the workers.

mod ahead;
mod background;
mod backoff;
mod buffers;
mod config;
mod fault_loader;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod mapped;
mod matching;
#[cfg(all(test, shuttle))]
mod models;
mod notes;
mod page_loader;
mod pieces;
mod read_around;
mod snapshot_load;
#[cfg(test)]
mod tests;
mod unit_map;
mod units;
mod working_set;
mod zero_pages;

pub(crate) use background::BackgroundLoader;
pub use config::LoadConfig;
pub(crate) use fault_loader::FaultLoader;
pub(crate) use snapshot_load::{LoadRequest, SnapshotLoad};
pub use working_set::{Touched, WorkingSet};
