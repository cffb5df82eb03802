//! The command line. Its doc comments are the text of `--help` and of the man page.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A RAM block in a raw image.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub offset: u64,
    pub length: u64,
    pub idstr: String,
}

/// Looks at snapshots of virtual machines and at their working sets, and at what this host can do for lazy RAM.
///
/// A snapshot is a file of QEMU's mapped-ram migration, or the description of a flat image.
#[derive(Parser)]
#[command(name = "uffd-incoming", version, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// Print JSON, with all sizes in bytes and all times in seconds. An error is still a line of text
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum Command {
    /// Show what this host can do for lazy RAM, and what to do if it cannot
    ///
    /// The exit status is 1 if this process can open no userfaultfd.
    Probe,
    /// Show the RAM blocks of a snapshot: sizes, data and zeros
    Info {
        /// The snapshot: a mapped-ram file, or the description of a flat image
        file: PathBuf,
    },
    /// Read all RAM of a snapshot, and report each part that cannot be read
    ///
    /// What the page cache holds is not read from the disk again. The exit status is 1 if something is wrong.
    Verify {
        /// The snapshot: a mapped-ram file, or the description of a flat image
        file: PathBuf,
    },
    /// Write the description with which a raw image of RAM can be opened
    ///
    /// Without --block and --regions, the whole image is one RAM block. The description names the image relative to itself if both are in
    /// one directory, and by its full path otherwise. A diff snapshot of Firecracker is no flat image: its holes
    /// are pages of an earlier snapshot. Merge the two first.
    Flat {
        /// The raw image: Cloud Hypervisor's "memory-ranges", or a memory file of Firecracker
        dump: PathBuf,
        /// A RAM block in it; may be given several times. OFFSET and LENGTH are in bytes, decimal or hexadecimal
        #[arg(long, value_name = "OFFSET:LENGTH:NAME")]
        #[arg(value_parser = block)]
        block: Vec<Block>,
        /// A file of JSON that lists the regions: Cloud Hypervisor's state.json, or what Firecracker sends to its page fault handler
        #[arg(long, value_name = "FILE", conflicts_with = "block")]
        regions: Option<PathBuf>,
        /// The name of the RAM block, or what the names of several begin with
        #[arg(long, default_value = "ram", conflicts_with = "block")]
        name: String,
        /// The description [default: DUMP with ".flat" added]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace the description if it exists, and take an image that looks like something else
        #[arg(long)]
        force: bool,
    },
    /// Show what a recorded working set touches, and when
    ///
    /// A picture shows each RAM block from left to right, and the time from top to bottom.
    WorkingSet {
        /// The working set, as a load has recorded it
        file: PathBuf,
        /// The snapshot that it belongs to: gives names and lengths to the RAM blocks. The exit status is 1 if it is another one
        #[arg(long, value_name = "FILE")]
        snapshot: Option<PathBuf>,
        /// Draw the picture into an SVG file
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        /// Replace the SVG file if it exists
        #[arg(long)]
        force: bool,
    },
    /// Restore a snapshot in several ways, and measure how long its pages take to arrive
    ///
    /// Loads on demand, reads all of the file first, and maps the file. Needs as much memory as the snapshot has RAM, and permission to use
    /// userfaultfd, if only for faults of user mode.
    Bench {
        /// The snapshot: a mapped-ram file, or the description of a flat image
        file: PathBuf,
        /// Touch what this working set has recorded, in its order [default: 64 MiB all over the RAM, in pieces of 2 MiB]
        #[arg(long, value_name = "FILE")]
        working_set: Option<PathBuf>,
        /// How often to restore in each way; medians are shown
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
        rounds: u32,
        /// Drop the file from the page cache before each restore
        #[arg(long)]
        cold: bool,
    },
}

fn block(text: &str) -> Result<Block, String> {
    let mut parts = text.splitn(3, ':');
    let (Some(offset), Some(length), Some(idstr)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("it is not OFFSET:LENGTH:NAME".into());
    };
    Ok(Block { offset: number(offset)?, length: number(length)?, idstr: idstr.into() })
}

fn number(text: &str) -> Result<u64, String> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((text, 10), |digits| (digits, 16));
    let number = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'));
    number.ok_or_else(|| format!("'{text}' is not a number of bytes"))
}
