//! Mappings in the place of the caller's memory: of a file, privately, or anonymous again. What was asked for that memory is asked
//! for them, too.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::ptr::with_exposed_provenance_mut;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, mmap, mmap_anonymous, munmap};

use super::asked::Asked;
use super::before::{Call, before};
use super::file::is_hugetlbfs;
use super::mapping::{page_size, unmapped};
use crate::error::{Error, Result, ensure, error};

/// Not of "self": that is the main thread's, and empty once that thread has ended.
const PAGEMAP: &str = "/proc/thread-self/pagemap";

/// Of an entry of pagemap: the page is in memory, or in swap space.
const PRESENT_OR_SWAPPED: u64 = 0b11 << 62;

/// How many entries of pagemap are read at once.
const ENTRIES: usize = 8192;

/// Whether a file can be mapped privately in the place of memory of which that was asked. Not all file systems map files, and
/// hugetlbfs has pages of its own.
pub(crate) fn can_map_privately(file: BorrowedFd<'_>, asked: &Asked) -> Result<()> {
    ensure!(!is_hugetlbfs(file), EOPNOTSUPP, "the file is on hugetlbfs");
    let length = NonZeroUsize::new(page_size()).expect("a page has bytes");
    let mapped = before(Call::MmapFile).and_then(|()| {
        // SAFETY: a new mapping at an address of the kernel's choosing touches no memory that is in use.
        unsafe { mmap(None, length, asked.protection, MapFlags::MAP_PRIVATE, file, 0) }
    });
    let page = mapped.map_err(|errno| Error::os(errno, "mapping it (mmap)"))?;
    // SAFETY: the mapping that was just made, and that nothing points into.
    let _ = unsafe { munmap(page, length.get()) };
    Ok(())
}

/// Maps a file privately in the place of a part of the memory that something was asked for.
///
/// # Safety
/// `memory` lies in the caller's mapping of `asked`, whose contents it gives up; no reference points into it.
pub(crate) unsafe fn map_file_in_place(
    memory: &Range<usize>,
    asked: &Asked,
    file: BorrowedFd<'_>,
    offset: u64,
) -> Result<()> {
    let what = || format!("mapping {:#x} bytes at offset {offset:#x} of the file", memory.len());
    let (address, length) = place(memory)?;
    let at = i64::try_from(offset).map_err(|_| error!(EOVERFLOW, "{}", what()))?;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED | reserve(asked);
    let mapped = before(Call::MmapFile).and_then(|()| {
        // SAFETY: by this function's contract.
        unsafe { mmap(Some(address), length, asked.protection, flags, file, at) }
    });
    mapped.map(drop).map_err(|errno| unmapped(errno, what()))
}

/// Maps anonymous memory of zeros in the place of a part of the memory that something was asked for.
///
/// # Safety
/// As for [`map_file_in_place`].
pub(crate) unsafe fn map_zeros_in_place(memory: &Range<usize>, asked: &Asked) -> Result<()> {
    let (address, length) = place(memory)?;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED | reserve(asked);
    let mapped = before(Call::Mmap).and_then(|()| {
        // SAFETY: by this function's contract.
        unsafe { mmap_anonymous(Some(address), length, asked.protection, flags) }
    });
    mapped
        .map(drop)
        .map_err(|errno| unmapped(errno, format_args!("mapping {:#x} bytes of anonymous memory", memory.len())))
}

/// Has the kernel begin to read what a file holds of a private mapping. Only a hint.
pub(crate) fn read_ahead(memory: &Range<usize>) {
    // SAFETY: this advice changes no contents.
    let _ = before(Call::MadviseWillNeed).and_then(|()| unsafe { advise(memory, libc::MADV_WILLNEED) });
}

/// Which pages this process has.
pub(crate) struct PageMap(File);

impl PageMap {
    pub fn open() -> io::Result<Self> {
        before(Call::OpenPageMap)?;
        File::open(PAGEMAP).map(Self)
    }

    /// Visits the parts of memory that are there, or in swap space, in ascending order: with their addresses.
    pub fn visit_present(&self, memory: &Range<usize>, mut visit: impl FnMut(Range<usize>)) -> io::Result<()> {
        let page = page_size();
        let mut entries = vec![0; ENTRIES.min(memory.len() / page) * 8];
        let mut at = memory.start;
        while at < memory.end {
            let count = ((memory.end - at) / page).min(ENTRIES);
            let entries = &mut entries[..count * 8];
            before(Call::ReadPageMap)?;
            self.0.read_exact_at(entries, (at / page * 8) as u64)?;
            let mut is_there = entries.chunks_exact(8).map(|entry| {
                let entry = u64::from_ne_bytes(entry.try_into().expect("8 bytes"));
                entry & PRESENT_OR_SWAPPED != 0
            });
            let mut first = 0;
            while let Some(start) = is_there.position(|there| there) {
                let length = 1 + is_there.by_ref().take_while(|there| *there).count();
                visit(at + (first + start) * page..at + (first + start + length) * page);
                // The page that ended it has been taken, too.
                first += start + length + 1;
            }
            at += count * page;
        }
        Ok(())
    }
}

fn place(memory: &Range<usize>) -> Result<(NonZeroUsize, NonZeroUsize)> {
    NonZeroUsize::new(memory.start)
        .zip(NonZeroUsize::new(memory.len()))
        .ok_or_else(|| error!(EINVAL, "no memory at {:#x}", memory.start))
}

fn reserve(asked: &Asked) -> MapFlags {
    if asked.no_reserve { MapFlags::MAP_NORESERVE } else { MapFlags::empty() }
}

/// Asks for a new mapping what was asked for the one that was in its place.
pub(crate) fn ask_again(memory: &Range<usize>, asked: &Asked) -> Result<()> {
    asked.advice.iter().try_for_each(|advice| {
        let advised = before(Call::MadviseAgain).and_then(|()| {
            // SAFETY: this advice changes no contents.
            unsafe { advise(memory, *advice as i32) }
        });
        advised.map_err(|errno| Error::os(errno, format_args!("madvise ({advice:?}) for {:#x} bytes", memory.len())))
    })
}

/// # Safety
/// The advice changes no contents.
pub(super) unsafe fn advise(memory: &Range<usize>, advice: i32) -> nix::Result<()> {
    let start = with_exposed_provenance_mut::<c_void>(memory.start);
    // SAFETY: by this function's contract.
    Errno::result(unsafe { libc::madvise(start, memory.len(), advice) }).map(drop)
}
