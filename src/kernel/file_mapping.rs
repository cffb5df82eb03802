//! A file that is mapped to ask the kernel of it, and never accessed.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::before::{Call, before};
use super::mapping::page_size;

/// How many pages the kernel is asked of at once.
const AT_ONCE: usize = 512;

/// A mapping of a file that nobody can access: mincore() and the lists of mappings tell only of what is mapped.
#[derive(Debug)]
pub(crate) struct FileMapping {
    start: NonNull<c_void>,
    length: NonZeroUsize,
}

// SAFETY: the memory is never accessed. It stays mapped for as long as this lives, whichever thread asks.
unsafe impl Send for FileMapping {}
// SAFETY: as above.
unsafe impl Sync for FileMapping {}

impl FileMapping {
    /// Of so many bytes of a file, from its start on. None if it cannot be mapped.
    pub fn of(file: BorrowedFd<'_>, length: u64) -> Option<Self> {
        let length = NonZeroUsize::new(usize::try_from(length).ok()?)?;
        before(Call::MmapFile).ok()?;
        // SAFETY: a new mapping at an address of the kernel's choosing touches no memory that is in use.
        let start = unsafe { mmap(None, length, ProtFlags::PROT_NONE, MapFlags::MAP_SHARED, file, 0) }.ok()?;
        Some(Self { start, length })
    }

    /// Where it begins.
    pub fn address(&self) -> usize {
        self.start.as_ptr().addr()
    }

    /// Whether all of these bytes have been read. Of those that are being read, cachestat() says that they are there, mincore()
    /// that they are not; and where a process may not know, mincore() says of all that they are.
    pub fn has_read(&self, offset: u64, length: usize) -> bool {
        let Some(end) = usize::try_from(offset).ok().and_then(|offset| offset.checked_add(length)) else {
            return false;
        };
        let mut at = offset as usize / page_size() * page_size();
        let mut resident = [0_u8; AT_ONCE];
        while at < end && end <= self.length.get() {
            let asked = (end - at).min(AT_ONCE * page_size());
            let told = before(Call::Mincore).and_then(|()| {
                // SAFETY: these bytes lie within the mapping, and the kernel writes one byte for each of at most AT_ONCE pages.
                Errno::result(unsafe { libc::mincore(self.start.as_ptr().byte_add(at), asked, resident.as_mut_ptr()) })
            });
            if told.is_err() || resident[..asked.div_ceil(page_size())].iter().any(|page| page & 1 == 0) {
                return false;
            }
            at += asked;
        }
        end <= self.length.get()
    }
}

impl Drop for FileMapping {
    fn drop(&mut self) {
        // SAFETY: this was mapped when it was made, and no pointer to it is kept beyond its life.
        let result = unsafe { munmap(self.start, self.length.get()) };
        debug_assert_eq!(result, Ok(()));
    }
}
