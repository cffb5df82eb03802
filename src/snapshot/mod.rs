//! Snapshots: what a file holds of a machine's RAM, and restoring RAM from it.

mod around;
mod block;
mod buffers;
mod checksum;
mod cursor;
mod data_pages;
mod file;
mod flat;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod image;
mod load;
mod loader;
mod mapped_ram;
#[cfg(all(test, shuttle))]
mod models;
mod order;
mod pages;
mod patience;
mod recorder;
#[cfg(test)]
mod tests;
mod working_set;
mod zero_pages;

pub use block::SnapshotBlock;
pub use file::Snapshot;
pub use load::{LoadConfig, load};
