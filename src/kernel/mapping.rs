//! Anonymous memory of our own, and emptying memory of the caller's. The sizes of pages.

use std::ffi::c_void;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::ptr::{NonNull, with_exposed_provenance_mut};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

use super::before::{Call, before};
use crate::error::{Error, Result, error};

/// The host's page size in bytes.
pub fn page_size() -> usize {
    // SAFETY: sysconf only reads; _SC_PAGESIZE is always known, and positive.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("a page size is positive")
}

/// Private anonymous memory of our own, zero at first; unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    length: NonZeroUsize,
    /// How many bytes of it are for use.
    usable: usize,
}

/// The size of a huge page of anonymous memory, where pages have 4 KiB.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

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
        let map = |()| unsafe { mmap_anonymous(None, bytes, protection, MapFlags::MAP_PRIVATE) };
        let start = before(Call::Mmap).and_then(map);
        let start = start.map_err(|errno| unmapped(errno, format_args!("mapping {length} bytes for {what}")))?;
        Ok(Self { start, length: bytes, usable: length })
    }

    /// Maps `length` bytes for huge pages, as far as the host has any: aligned to one.
    pub fn new_huge(length: usize, what: &str) -> Result<Self> {
        let length = length.next_multiple_of(HUGE_PAGE);
        let mut mapping = Self::new(length + HUGE_PAGE, what)?;
        mapping.usable = length;
        // Without huge pages it is slower, and nothing else.
        let _ = before(Call::MadviseHugePage).and_then(|()| {
            // SAFETY: a mapping of our own, whose contents this advice leaves alone.
            unsafe { madvise(mapping.start, mapping.length.get(), MmapAdvise::MADV_HUGEPAGE) }
        });
        Ok(mapping)
    }

    /// Aligned to a huge page, if it is for huge pages.
    pub fn as_ptr(&self) -> *mut u8 {
        let start: *mut u8 = self.start.as_ptr().cast();
        if self.usable == self.length.get() { start } else { start.wrapping_add(start.align_offset(HUGE_PAGE)) }
    }

    /// All of it.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: it is mapped for reading and writing as long as `self` lives, initialized (with zeros at first), and borrowed
        // for writing here. The kernel may replace its pages (UFFDIO_MOVE) in a call that is given this slice, and no other.
        unsafe { std::slice::from_raw_parts_mut(self.as_ptr(), self.usable) }
    }

    pub fn len(&self) -> usize {
        self.usable
    }

    /// Makes its pages missing, and unlocks them: it may have been locked with all the process has (mlockall).
    pub fn empty(&self) -> nix::Result<()> {
        self.unlock();
        before(Call::MadviseDontNeed)?;
        // SAFETY: a mapping of our own, which reads as zeros afterwards. No reference points into it: bytes() would borrow it
        // for writing.
        unsafe { madvise(self.start, self.length.get(), MmapAdvise::MADV_DONTNEED) }
    }

    /// Should its pages be locked, they are no longer.
    fn unlock(&self) {
        let _ = before(Call::Munlock).and_then(|()| {
            // SAFETY: a mapping of our own, whose contents stay.
            Errno::result(unsafe { libc::munlock(self.start.as_ptr(), self.length.get()) })
        });
    }

    /// Reads a byte of its first page: that faults if the page is missing.
    pub fn touch(&self) {
        // SAFETY: it is mapped for reading as long as `self` lives.
        unsafe { self.as_ptr().read_volatile() };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this has been mapped when it was made, and no pointer to it is kept beyond its life.
        let result = unsafe { munmap(self.start, self.length.get()) };
        debug_assert_eq!(result, Ok(()));
    }
}

/// Why mmap() has failed.
pub(super) fn unmapped(errno: Errno, what: impl Display) -> Error {
    match errno {
        Errno::ENOMEM => error!(
            ENOMEM,
            "{what}: ENOMEM: no memory, or the process has as many mappings as it may: see the sysctl vm.max_map_count"
        ),
        errno => Error::os(errno, what),
    }
}

/// Empties memory of one mapping, since what empties it depends on its kind: afterwards every page of it is missing. What the
/// file behind a private mapping holds is seen again: see `Maps::check_files`.
///
/// # Safety
/// `start .. start + length` is a mapping of the caller's whose contents it gives up; no reference points into it.
pub(crate) unsafe fn empty_memory(start: usize, length: usize) -> Result<()> {
    let pointer = NonNull::new(with_exposed_provenance_mut::<c_void>(start))
        .ok_or_else(|| error!(EINVAL, "memory at address 0"))?;
    let advise = |call, advice| {
        before(call)?;
        // SAFETY: by this function's contract. MADV_REMOVE changes shared mappings only, and frees what is behind them.
        unsafe { madvise(pointer, length, advice) }
    };
    match advise(Call::MadviseRemove, MmapAdvise::MADV_REMOVE) {
        Ok(()) => return Ok(()),
        // EINVAL: no object behind it. EACCES: a private mapping of a file.
        Err(Errno::EINVAL | Errno::EACCES) => {}
        Err(errno) => return Err(Error::os(errno, "punching a hole (MADV_REMOVE)")),
    }
    match advise(Call::MadviseDontNeed, MmapAdvise::MADV_DONTNEED) {
        Ok(()) => Ok(()),
        // Of hugetlbfs, before Linux 5.18. Memory that nothing has touched need not be emptied.
        Err(Errno::EINVAL) if !holds_pages(start, length)? => Ok(()),
        Err(errno @ Errno::EINVAL) => Err(Error::os(
            errno,
            "dropping its pages (MADV_DONTNEED): if it is hugetlbfs memory, use Linux 5.18 or newer, or map it anew before the load",
        )),
        Err(errno) => Err(Error::os(errno, "dropping its pages (MADV_DONTNEED)")),
    }
}

/// Whether any page of a range, which is not in swap space, is in memory and mapped here.
fn holds_pages(start: usize, length: usize) -> Result<bool> {
    const AT_ONCE: usize = 4096;
    let mut resident = [0u8; AT_ONCE];
    for at in (start..start + length).step_by(AT_ONCE * page_size()) {
        let part = (start + length - at).min(AT_ONCE * page_size());
        let looked = before(Call::Mincore).and_then(|()| {
            // SAFETY: the kernel writes a byte for each page, of which there are no more than the array has.
            Errno::result(unsafe { libc::mincore(with_exposed_provenance_mut(at), part, resident.as_mut_ptr()) })
        });
        looked.map_err(|errno| Error::os(errno, "looking for its pages (mincore)"))?;
        if resident[..part.div_ceil(page_size())].iter().any(|page| page & 1 != 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the page at an address is in memory and mapped here: not missing, and not poisoned. Not told of one in swap space, and of
/// shared memory that only another mapping has touched.
pub(crate) fn is_present(address: usize) -> bool {
    let mut resident = 0u8;
    let there = before(Call::Mincore).and_then(|()| {
        // SAFETY: the kernel writes a byte for the one page, and does not touch that.
        Errno::result(unsafe { libc::mincore(with_exposed_provenance_mut(address), 1, &mut resident) })
    });
    there.is_ok() && resident & 1 != 0
}

/// Whether all of a range is mapped.
pub(crate) fn is_mapped(start: usize, length: usize) -> bool {
    let looked = before(Call::Msync).and_then(|()| {
        // SAFETY: with MS_ASYNC, msync does nothing but look at what is mapped.
        Errno::result(unsafe { libc::msync(with_exposed_provenance_mut(start), length, libc::MS_ASYNC) })
    });
    looked != Err(Errno::ENOMEM)
}

/// Whether memory that is not hugetlbfs is locked (mlock), and so cannot be emptied. False where the kernel cannot tell
/// (before Linux 5.4).
pub(crate) fn is_locked(start: usize, length: usize) -> Result<bool> {
    if !refuses_cold(start, length) {
        return Ok(false);
    }
    let page = Mapping::new(page_size(), "a test of MADV_COLD")?;
    // It may have been born locked (mlockall).
    page.unlock();
    Ok(!refuses_cold(page.as_ptr().expose_provenance(), page.len()))
}

/// Whether new mappings of this process are locked (mlockall with MCL_FUTURE). False where the kernel cannot tell.
pub(crate) fn is_born_locked() -> Result<bool> {
    let page = Mapping::new(page_size(), "a test of MADV_COLD")?;
    is_locked(page.as_ptr().expose_provenance(), page.len())
}

/// Cold memory is reclaimed sooner, and that is all; locked memory cannot be made cold.
fn refuses_cold(start: usize, length: usize) -> bool {
    let advised = before(Call::MadviseCold).and_then(|()| {
        // SAFETY: this advice changes no contents.
        Errno::result(unsafe { libc::madvise(with_exposed_provenance_mut(start), length, libc::MADV_COLD) })
    });
    advised == Err(Errno::EINVAL)
}
