//! Brings the pages of a file that is mapped, so that a thread that touches them need not wait.

use std::ops::Range;
use std::ptr::with_exposed_provenance_mut;
use std::sync::LazyLock;

use nix::errno::Errno;

use super::before::{Call, before};
use super::in_place::advise;
use super::mapping::page_size;

/// `MADV_POPULATE_READ`, Linux 5.14.
const MADV_POPULATE_READ: i32 = 22;

/// Pages of a call of process_vm_readv().
const PAGES_AT_ONCE: usize = 256;

/// The address of the first page that cannot be read, and why.
type Populated = std::result::Result<(), (usize, Errno)>;

/// Reads what is missing of a private mapping of a file, and maps it: a thread that touches it need not wait. The address of the first
/// page that cannot be read, and the errno.
pub(crate) fn populate(memory: &Range<usize>) -> Populated {
    // Before Linux 6.9, MADV_POPULATE_READ tries a page that cannot be read for ever.
    static IS_SAFE: LazyLock<bool> = LazyLock::new(|| release() >= (6, 9));
    if *IS_SAFE { populate_at_once(memory) } else { populate_by_page(memory) }
}

fn populate_at_once(memory: &Range<usize>) -> Populated {
    loop {
        // SAFETY: this advice changes no contents: it brings pages that a thread could have touched at any time.
        match before(Call::MadvisePopulate).and_then(|()| unsafe { advise(memory, MADV_POPULATE_READ) }) {
            Err(Errno::EINTR) => {}
            // Which page it was, and what lies behind that.
            Err(_) => return populate_by_page(memory),
            Ok(()) => return Ok(()),
        }
    }
}

/// Goes on behind a page that cannot be read.
fn populate_by_page(memory: &Range<usize>) -> Populated {
    let page = page_size();
    let mut failed = Ok(());
    let mut at = memory.start;
    while at < memory.end {
        let count = (memory.end - at).div_ceil(page).min(PAGES_AT_ONCE);
        match read_bytes(at, page, count) {
            Ok(read) if read > 0 => at += read * page,
            // The page cannot be read, or there is no memory for it.
            Err(errno @ (Errno::EFAULT | Errno::ENOMEM)) => {
                failed = failed.and(Err((at, errno)));
                at += page;
            }
            Ok(_) => return Err((at, Errno::EFAULT)),
            Err(errno) => return Err((at, errno)),
        }
    }
    failed
}

/// The kernel's version and sub-version; 0 if it does not say.
fn release() -> (u32, u32) {
    // SAFETY: all zeros is such a struct, and the kernel fills it.
    let name = unsafe {
        let mut name = std::mem::zeroed::<libc::utsname>();
        libc::uname(&mut name);
        name
    };
    let release: Vec<u8> = name.release.iter().take_while(|byte| **byte != 0).map(|byte| *byte as u8).collect();
    parse_release(&String::from_utf8_lossy(&release))
}

fn parse_release(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Reads a byte of each of so many pages from `start` on, as another process could; and returns how many it has read. The kernel brings each page as for
/// a thread that touches it, but one that cannot be read is an error, and no signal.
fn read_bytes(start: usize, page: usize, count: usize) -> nix::Result<usize> {
    let mut bytes = [0u8; PAGES_AT_ONCE];
    let part = |at| libc::iovec { iov_base: with_exposed_provenance_mut(at), iov_len: 1 };
    let mut pages = [part(start); PAGES_AT_ONCE];
    for (number, one) in pages[..count].iter_mut().enumerate() {
        *one = part(start + number * page);
    }
    let to = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: count };
    before(Call::ProcessVmReadv)?;
    // SAFETY: the kernel writes `count` bytes, which the buffer has; what it reads need not be mapped.
    let read = unsafe { libc::process_vm_readv(libc::getpid(), &to, 1, pages.as_ptr(), count as libc::c_ulong, 0) };
    Errno::result(read).map(|read| read as usize)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
    use nix::unistd::ftruncate;

    use super::*;

    /// Pages beyond the end of a file cannot be read, as those of a bad disk.
    #[test]
    fn the_first_page_that_cannot_be_read_is_told_and_the_others_are_brought() {
        let (page, pages) = (page_size(), 2 * PAGES_AT_ONCE);
        let file = memfd_create(c"populate", MFdFlags::MFD_CLOEXEC).unwrap();
        ftruncate(&file, (pages * page) as i64).unwrap();
        let length = NonZeroUsize::new(pages * page).unwrap();
        // SAFETY: the kernel chooses where; nothing else is there.
        let mapped = unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, &file, 0) }.unwrap();
        let start = mapped.as_ptr().expose_provenance();
        let memory = start..start + length.get();
        for populate in [populate, populate_at_once, populate_by_page] {
            assert_eq!(populate(&memory), Ok(()));
        }
        ftruncate(&file, ((PAGES_AT_ONCE + 3) * page) as i64).unwrap();
        let bad = start + (PAGES_AT_ONCE + 3) * page;
        for populate in [populate, populate_at_once, populate_by_page] {
            assert_eq!(populate(&memory), Err((bad, Errno::EFAULT)));
            assert_eq!(populate(&(bad - page..bad + 2 * page)), Err((bad, Errno::EFAULT)));
        }
        // SAFETY: it is the mapping from above.
        unsafe { munmap(mapped, length.get()) }.unwrap();
    }

    #[test]
    fn releases_are_compared_as_numbers() {
        for (release, parsed) in [
            ("6.12.48+deb13-amd64", (6, 12)),
            ("5.10.0-32-amd64", (5, 10)),
            ("7.3+deb", (7, 3)),
            ("", (0, 0)),
            ("odd", (0, 0)),
        ] {
            assert_eq!(parse_release(release), parsed, "{release}");
        }
        assert!(release() > (4, 0));
    }
}
