//! How to restore RAM from a snapshot.

use std::path::PathBuf;

/// How to restore RAM. A literal ends with `..LoadConfig::default()`: fields may be added.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Do not empty the RAM first: pages that are present win over the snapshot's.
    pub keep_present: bool,
    /// Load what no thread asks for, too.
    pub background: bool,
    /// Read what is not in the page cache past it, and leave it out of that: faster from a disk, for a snapshot that is not
    /// restored again soon.
    pub direct_io: bool,
    /// Look for pages of zeros among what the snapshot holds as data: they are placed as zeros, which take no memory.
    pub zero_scan: bool,
    /// Make no huge pages, also where the RAM asks for them: pages are copied, and none is moved (UFFDIO_MOVE).
    pub no_huge_pages: bool,
    /// Do not copy the data of private anonymous RAM, but map the snapshot's file there, privately: its pages are shared with
    /// all that map it, until they are written to. A RAM block for which that cannot be is loaded; a warning says why.
    pub map_private: bool,
    /// How many threads load in the background. 0: one, or two with `direct_io`.
    pub loader_threads: u32,
    /// Let no other threads wait for a disk in a fault thread's place.
    pub no_readers: bool,
    /// How many there are, divided among the fault threads; each has one at least. 0: four.
    pub reader_threads: u32,
    /// How many temporary pages to allocate for the caller's own use. 0: one.
    pub channels: u32,
    /// The file in which to keep which pages were faulted on, in order: written by the clean-up, or abort. What was
    /// replayed comes first in it.
    pub working_set_record: Option<PathBuf>,
    /// The file of an earlier restore of the same snapshot, whose pages are to be loaded first; without `background`,
    /// nothing else is loaded in the background. A file that cannot be used is reported and ignored.
    pub working_set_replay: Option<PathBuf>,
}

/// How many reader threads there are, if nothing else is asked for.
const READERS: u32 = 4;

impl LoadConfig {
    /// How many threads load in the background: with direct reads one waits for the disk while the other places.
    pub(crate) fn loaders(&self) -> u32 {
        match self.loader_threads {
            0 if self.direct_io => 2,
            0 => 1,
            loaders => loaders,
        }
    }

    /// How many readers each of so many fault threads has.
    pub(crate) fn readers_of_each(&self, fault_threads: u32) -> u32 {
        let all = if self.reader_threads == 0 { READERS } else { self.reader_threads };
        if self.no_readers { 0 } else { all.div_ceil(fault_threads) }
    }
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self {
            keep_present: false,
            background: true,
            direct_io: false,
            zero_scan: true,
            no_huge_pages: false,
            map_private: false,
            loader_threads: 0,
            no_readers: false,
            reader_threads: 0,
            channels: 0,
            working_set_record: None,
            working_set_replay: None,
        }
    }
}
