//! What kind of file a snapshot is, beside its RAM blocks.

use std::path::PathBuf;

/// What kind of file a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotFormat {
    /// A file of QEMU's mapped-ram migration.
    #[non_exhaustive]
    MappedRam {
        /// The machine type, as QEMU names it: "pc-q35-10.0".
        machine: String,
        /// The migration capabilities that were in force: "mapped-ram" is always among them, "multifd" if QEMU wrote the
        /// file with several threads.
        capabilities: Vec<String>,
        /// How many bytes follow the RAM: the state of the devices.
        device_state: u64,
    },
    /// The description of a flat image.
    #[non_exhaustive]
    Flat {
        /// The path of the image.
        image: PathBuf,
        /// How many bytes of the image are in no RAM block.
        unused: u64,
    },
}
