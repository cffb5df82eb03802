//! Memory that stands for the RAM of a guest.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

/// Private anonymous memory, aligned to 2 MiB.
pub struct Ram {
    start: NonNull<u8>,
    length: usize,
    mapping: (NonNull<std::ffi::c_void>, usize),
}

const ALIGNMENT: usize = 2 << 20;

impl Ram {
    /// Memory that asks for huge pages, if `huge`.
    pub fn new(length: u64, huge: bool) -> Result<Self, String> {
        let length = usize::try_from(length).map_err(|error| error.to_string())?;
        let all = length.checked_add(ALIGNMENT).and_then(NonZeroUsize::new).ok_or("a RAM block is too long")?;
        let (protection, flags) =
            (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE);
        // SAFETY: the kernel chooses where; nothing else is there.
        let mapped = unsafe { mmap_anonymous(None, all, protection, flags) };
        let mapped = mapped.map_err(|errno| format!("{length} bytes of memory: {errno}"))?;
        let start = mapped.cast::<u8>();
        let to_aligned = start.addr().get().next_multiple_of(ALIGNMENT) - start.addr().get();
        // SAFETY: the mapping is longer by the alignment.
        let start = unsafe { start.add(to_aligned) };
        let ram = Self { start, length, mapping: (mapped, all.get()) };
        if huge {
            // Without huge pages in the kernel, there are none.
            // SAFETY: advice about memory of this struct.
            let _ = unsafe { madvise(ram.start.cast(), length, MmapAdvise::MADV_HUGEPAGE) };
        }
        Ok(ram)
    }

    pub fn address(&self) -> usize {
        self.start.as_ptr().expose_provenance()
    }

    /// Reads a byte of the page at this offset, as a vCPU does: waits until it is there.
    pub fn touch(&self, offset: u64) {
        assert!(offset < self.length as u64);
        // SAFETY: inside of the mapping; the read is volatile, since other threads and the kernel fill the memory.
        unsafe { self.start.add(offset as usize).read_volatile() };
    }

    /// All of it, to be filled by nobody else.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: all of it is mapped and, as anonymous memory, initialized; nobody else knows it while `self` is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

// SAFETY: an address and lengths; the memory is read one byte at a time, or borrowed by `&mut self`.
unsafe impl Send for Ram {}
// SAFETY: as above.
unsafe impl Sync for Ram {}

impl Drop for Ram {
    fn drop(&mut self) {
        let (start, length) = self.mapping;
        // SAFETY: it is the mapping of this struct, which nobody uses any more.
        let unmapped = unsafe { munmap(start, length) };
        debug_assert!(unmapped.is_ok());
    }
}
