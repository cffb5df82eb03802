//! A snapshot that is read past the page cache (O_DIRECT), where it is not in that already.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::page_source::{GAP_ON_DISK, PageSource, Run, SourceInfo};
use super::snapshot::Snapshot;
use crate::error::Result;
use crate::kernel::file;

/// The least that is read past the page cache: with less, pages that are read one after the other would all wait.
const LEAST_DIRECT: usize = 64 << 10;

/// The snapshot, and a descriptor of the same file for direct input.
pub(crate) struct DirectSnapshot {
    snapshot: Arc<Snapshot>,
    direct: OwnedFd,
}

impl DirectSnapshot {
    /// A warning, too, where all is going to be read from the disk, because the kernel does not tell what is in the page cache.
    pub fn new(snapshot: Arc<Snapshot>) -> Result<(Self, Option<String>)> {
        let (file, name) = (snapshot.image.descriptor(), &snapshot.info().name);
        let warning = file::hides_its_cache(file).then(|| {
            format!(
                "all of {name} is read from its disk (UFFD_LOAD_DIRECT_IO), also what is in the page cache: the kernel tells \
                 that from Linux 6.5 on, not of files on overlayfs, and only to the owner of a file and to those who may \
                 write to it"
            )
        });
        let direct = file::open_direct(file).map_err(|error| error.context(name))?;
        Ok((Self { snapshot, direct }, warning))
    }
}

impl PageSource for DirectSnapshot {
    fn info(&self) -> &SourceInfo {
        self.snapshot.info()
    }

    fn run(&self, block: usize, offset: u64, max: u64) -> Run {
        self.snapshot.run(block, offset, max)
    }

    fn read(&self, block: usize, offset: u64, to: &mut [u8]) -> Result<()> {
        // Not every file system gives what is in the page cache to a reader that does not want to wait.
        let is_direct = to.len() >= LEAST_DIRECT && !self.snapshot.is_cached(block, offset, to.len());
        // What cannot be read directly, as where addresses do not suit the disk, is read as ever.
        let read = |at, to: &mut [u8]| file::read_at(self.direct.as_fd(), at, to).unwrap_or(0);
        let done = if is_direct { self.snapshot.read_prefix(block, offset, to, GAP_ON_DISK, read) } else { 0 };
        self.snapshot.read(block, offset + done as u64, &mut to[done..])
    }

    fn read_cached(&self, block: usize, offset: u64, to: &mut [u8]) -> usize {
        // What is not there would be read into the page cache for the next time.
        if self.snapshot.is_cached(block, offset, to.len()) { self.snapshot.read_cached(block, offset, to) } else { 0 }
    }

    fn identity(&self) -> Result<u64> {
        self.snapshot.identity()
    }
}
