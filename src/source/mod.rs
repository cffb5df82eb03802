//! Where pages come from: the files of snapshots, or a handler of the caller's. A source knows nothing of faults, of threads and
//! of placing.

pub(crate) mod checksum;
pub(crate) mod cursor;
mod data_pages;
mod direct;
mod file_block;
mod flat;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handler;
pub(crate) mod image;
mod mapped_ram;
mod own_files;
mod page_source;
mod snapshot;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use direct::DirectSnapshot;
pub use format::SnapshotFormat;
pub use handler::{Fault, PageHandler};
pub(crate) use own_files::MappedImage;
pub use page_source::SnapshotBlock;
pub(crate) use page_source::{GAP_CACHED, GAP_ON_DISK, Kind, PageSource, Run, SourceInfo, runs};
pub use snapshot::Snapshot;
