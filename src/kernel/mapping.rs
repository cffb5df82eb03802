//! Anonymous memory of our own, and emptying memory of the caller's.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::{NonNull, with_exposed_provenance_mut};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::error::{Error, Result, error};

/// Private anonymous memory of our own, zero at first; unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    length: NonZeroUsize,
}

// SAFETY: a mapping belongs to the process, not to a thread; it is only handed out as raw pointers.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `length` bytes, not 0.
    pub fn new(length: usize, what: &str) -> Result<Self> {
        let bytes = NonZeroUsize::new(length).ok_or_else(|| error!(EINVAL, "{what}: no bytes to map"))?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choosing touches no memory that is in use.
        let start = unsafe { mmap_anonymous(None, bytes, protection, MapFlags::MAP_PRIVATE) }
            .map_err(|errno| Error::os(errno as i32, format_args!("mapping {length} bytes for {what}")))?;
        Ok(Self { start, length: bytes })
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr().cast()
    }

    pub fn len(&self) -> usize {
        self.length.get()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, unmapped only here, and nobody keeps a pointer beyond the owner's life.
        let result = unsafe { munmap(self.start, self.length.get()) };
        debug_assert_eq!(result, Ok(()));
    }
}

/// How memory was emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emptied {
    /// A hole was punched into the object behind a shared mapping.
    Punched,
    /// Private anonymous pages were dropped.
    Dropped,
}

/// Empties memory: afterwards every page of it is missing.
///
/// # Safety
/// `start .. start + length` is a mapping of the caller's whose contents it gives up; no reference points into it.
pub(crate) unsafe fn empty_memory(start: usize, length: usize) -> Result<Emptied> {
    let pointer = NonNull::new(with_exposed_provenance_mut::<c_void>(start))
        .ok_or_else(|| error!(EINVAL, "memory at address 0"))?;
    // SAFETY: by this function's contract. MADV_REMOVE changes shared mappings only, and frees what is behind them.
    match unsafe { madvise(pointer, length, MmapAdvise::MADV_REMOVE) } {
        Ok(()) => return Ok(Emptied::Punched),
        // EINVAL: no object behind it, or locked memory. EACCES: a private mapping of a file.
        Err(Errno::EINVAL | Errno::EACCES) => {}
        Err(errno) => return Err(Error::os(errno as i32, "punching a hole (MADV_REMOVE)")),
    }
    // SAFETY: by this function's contract.
    unsafe { madvise(pointer, length, MmapAdvise::MADV_DONTNEED) }.map_err(|errno| match errno {
        Errno::EINVAL => error!(EINVAL, "it cannot be emptied (MADV_DONTNEED: EINVAL): it is locked in memory (mlock)"),
        _ => Error::os(errno as i32, "dropping its pages (MADV_DONTNEED)"),
    })?;
    // The file behind a private mapping keeps its pages, and they would be taken for RAM instead of faulting.
    match first_resident(start, length)? {
        None => Ok(Emptied::Dropped),
        Some(address) => Err(error!(
            EINVAL,
            "it cannot be emptied: the file behind this private mapping holds data at address {address:#x}; map it \
             shared, or empty the file"
        )),
    }
}

/// Whether all of a range is mapped.
pub(crate) fn is_mapped(start: usize, length: usize) -> bool {
    // SAFETY: with MS_ASYNC, msync does nothing but look at what is mapped.
    let result = unsafe { libc::msync(with_exposed_provenance_mut(start), length, libc::MS_ASYNC) };
    Errno::result(result) != Err(Errno::ENOMEM)
}

/// Whether memory that is not hugetlbfs is locked (mlock), and so cannot be emptied. False where the kernel cannot tell
/// (before Linux 5.4).
pub(crate) fn is_locked(start: usize, length: usize) -> Result<bool> {
    // Cold memory is reclaimed sooner, and that is all; locked memory cannot be made cold.
    let is_refused = |start: *mut u8, length: usize| {
        // SAFETY: this advice changes no contents.
        let result = unsafe { libc::madvise(start.cast(), length, libc::MADV_COLD) };
        Errno::result(result) == Err(Errno::EINVAL)
    };
    if !is_refused(with_exposed_provenance_mut(start), length) {
        return Ok(false);
    }
    let page = Mapping::new(super::page_size(), "a test of MADV_COLD")?;
    Ok(!is_refused(page.as_ptr(), page.len()))
}

/// The first page in a range that the kernel has in memory.
fn first_resident(start: usize, length: usize) -> Result<Option<usize>> {
    const PAGES: usize = 64 * 1024;
    let page = super::page_size();
    let mut resident = vec![0u8; PAGES.min(length / page)];
    let mut at = start;
    while at < start + length {
        let pages = resident.len().min((start + length - at) / page);
        // SAFETY: mincore only reads page tables, and writes one byte a page into `resident`, which has room.
        let result = unsafe { libc::mincore(with_exposed_provenance_mut(at), pages * page, resident.as_mut_ptr()) };
        Errno::result(result)
            .map_err(|errno| Error::os(errno as i32, format_args!("asking what is resident (mincore) at {at:#x}")))?;
        if let Some(index) = resident[..pages].iter().position(|byte| byte & 1 != 0) {
            return Ok(Some(at + index * page));
        }
        at += pages * page;
    }
    Ok(None)
}
