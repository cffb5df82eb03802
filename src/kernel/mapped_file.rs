//! A file that is looked for among the mappings of this process.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::before::{Call, before};
use super::file::FileId;
use super::mapping::page_size;
use super::maps::Maps;
use crate::error::{Error, Result};

/// A file whose mappings are to be found among others. Some file systems (btrfs, overlayfs on older kernels) give stat() other
/// numbers than they show in a list of mappings; so the file is mapped here, too.
#[derive(Debug)]
pub(crate) struct MappedFile {
    id: FileId,
    /// A page of the file that is mapped, and never accessed. None where the file system maps nothing: it has no mapping to be
    /// found.
    page: Option<NonNull<c_void>>,
}

impl MappedFile {
    /// Before the list of mappings is read.
    pub fn new(file: BorrowedFd<'_>) -> Result<Self> {
        let id = FileId::of(file).map_err(|errno| Error::os(errno, "fstat"))?;
        let page = NonZeroUsize::new(page_size()).and_then(|length| {
            before(Call::MmapFile).ok()?;
            // SAFETY: a new mapping at an address of the kernel's choosing touches no memory that is in use.
            unsafe { mmap(None, length, ProtFlags::PROT_NONE, MapFlags::MAP_SHARED, file, 0) }.ok()
        });
        Ok(Self { id, page })
    }

    /// Whether a mapping is one of this file.
    pub fn is(&self, file: FileId, maps: &Maps) -> bool {
        let shown = self.page.and_then(|page| maps.files(page.as_ptr().addr(), 1).next());
        self.id == file || shown.is_some_and(|shown| shown.file == file)
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        if let Some(page) = self.page {
            // SAFETY: this has been mapped when it was made, and no pointer to it is kept beyond its life.
            let result = unsafe { munmap(page, page_size()) };
            debug_assert_eq!(result, Ok(()));
        }
    }
}
