//! Files as sources of pages: opening, exact positioned reads into raw memory, lengths and holes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libc::off_t;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::{Whence, lseek};

use super::call::{Call, before, before_bytes};
use super::uapi::{SYS_CACHESTAT, cachestat, cachestat_range};
use crate::error::{Error, Result, error};

// BLKGETSIZE64, whose number is made with the size of a size_t. Unlike lseek() it leaves the position alone, which a
// duplicated descriptor shares with the original.
nix::ioctl_read!(block_device_length, 0x12, 114, usize);

/// Opens a file to read from.
pub(crate) fn open_read_only(path: &Path) -> Result<OwnedFd> {
    open_to_read(path, OFlag::empty()).map_err(|errno| Error::os(errno as i32, "opening"))
}

/// Opens an open file once more, to be read past the page cache.
pub(crate) fn open_direct(file: BorrowedFd<'_>) -> Result<OwnedFd> {
    // Not of "self": threads may have descriptors of their own.
    let path = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
    open_to_read(Path::new(&path), OFlag::O_DIRECT).map_err(|errno| {
        let what = format!("opening it once more ({path}) for direct input and output (O_DIRECT)");
        Error::os(errno as i32, format_args!("{what}; load without UFFD_LOAD_DIRECT_IO, or move it where that can be"))
    })
}

fn open_to_read(path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    // Non-blocking for the sake of a FIFO without a writer, which would hang in open(); regular files take no notice.
    let flags = flags | OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    loop {
        match before(Call::Open).and_then(|()| open(path, flags, Mode::empty())) {
            // A signal, while a file system takes its time.
            Err(Errno::EINTR) => {}
            opened => return opened,
        }
    }
}

/// One more descriptor of the same open file.
pub(crate) fn duplicate(file: BorrowedFd<'_>) -> Result<OwnedFd> {
    let duplicate = before(Call::Duplicate).map_err(io::Error::from).and_then(|()| file.try_clone_to_owned());
    duplicate.map_err(|error| Error::io(&error, "duplicating it"))
}

pub(super) fn status(file: impl AsFd) -> nix::Result<FileStat> {
    before(Call::Fstat)?;
    fstat(file)
}

/// A file that is to take another's place (or to be the first of its name) once all of it is written. Until then, and if
/// it never is, the other one stays. There is a file beside it only while that is made sure of and while it is written: just a
/// process that is killed then leaves one behind.
#[derive(Debug)]
pub(crate) struct Replacement {
    path: PathBuf,
}

/// How many names are tried for the file beside it: others of the process's id may have left some behind, or use them, since in
/// containers all VMMs may have the same.
const MOST_NAMES: u32 = 1000;

impl Replacement {
    /// Makes sure that a file can be created there.
    pub fn new(path: &Path) -> Result<Self> {
        // Found out only in the end otherwise: no file can take a directory's place.
        if path.file_name().is_none() || path.is_dir() {
            return Err(failed(&Errno::EISDIR.into(), path, "creating"));
        }
        let replacement = Self { path: path.to_owned() };
        let (_, temporary) = replacement.create()?;
        remove(&temporary);
        Ok(replacement)
    }

    /// Fills it, and puts it in its place.
    pub fn commit(self, bytes: &[u8]) -> Result<()> {
        let (mut file, temporary) = self.create()?;
        let written = before(Call::Write).map_err(io::Error::from).and_then(|()| file.write_all(bytes));
        let written = written.map_err(|error| failed(&error, &temporary, "writing"));
        let replaced = written.and_then(|()| {
            let renamed = before(Call::Rename).map_err(io::Error::from);
            let renamed = renamed.and_then(|()| fs::rename(&temporary, &self.path));
            renamed.map_err(|error| failed(&error, &self.path, "replacing"))
        });
        replaced.inspect_err(|_| remove(&temporary))
    }

    /// A new file beside it.
    fn create(&self) -> Result<(File, PathBuf)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut tried = 0;
        loop {
            let mut temporary = self.path.as_os_str().to_owned();
            temporary.push(format!(".{}.{}", process::id(), NEXT.fetch_add(1, Relaxed)));
            let temporary = PathBuf::from(temporary);
            let create = || OpenOptions::new().write(true).create_new(true).open(&temporary);
            tried += 1;
            match before(Call::Create).map_err(io::Error::from).and_then(|()| create()) {
                Ok(file) => return Ok((file, temporary)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < MOST_NAMES => {}
                Err(error) => return Err(failed(&error, &temporary, "creating")),
            }
        }
    }
}

fn remove(temporary: &Path) {
    let _ = fs::remove_file(temporary);
}

fn failed(error: &io::Error, path: &Path, what: &str) -> Error {
    Error::io(error, format_args!("'{}': {what}", path.display()))
}

/// The length of a regular file or block device; anything else is no source of pages.
pub(crate) fn length(file: BorrowedFd<'_>) -> Result<u64> {
    let status = status(file).map_err(|errno| Error::os(errno as i32, "fstat"))?;
    let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    let length = match kind {
        SFlag::S_IFREG => status.st_size as u64,
        SFlag::S_IFBLK => {
            let mut length = 0_u64;
            let asked = before(Call::BlockDeviceLength).and_then(|()| {
                // SAFETY: the kernel writes 64 bits, whatever the request's number says, and there is room for them.
                unsafe { block_device_length(file.as_raw_fd(), (&raw mut length).cast()) }
            });
            asked.map_err(|errno| Error::os(errno as i32, "asking for the block device's size"))?;
            length
        }
        other => {
            let name = match other {
                SFlag::S_IFDIR => "directory",
                SFlag::S_IFIFO => "FIFO",
                SFlag::S_IFSOCK => "socket",
                SFlag::S_IFCHR => "character device",
                _ => "file of no known kind",
            };
            return Err(error!(EINVAL, "it is a {name}; a regular file or block device is needed"));
        }
    };
    Ok(length)
}

/// Reads up to `length` bytes at `offset`; fewer only where the file ends.
///
/// # Safety
/// `to` is valid for writes of `length` bytes, and nothing else accesses them meanwhile.
pub(crate) unsafe fn read_at(file: BorrowedFd<'_>, offset: u64, to: *mut u8, length: usize) -> nix::Result<usize> {
    let mut done = 0;
    while done < length {
        let position = offset.checked_add(done as u64).and_then(|at| off_t::try_from(at).ok());
        let position = position.ok_or(Errno::EOVERFLOW)?;
        let left = length - done;
        let read = before_bytes(Call::Pread, left, left.div_ceil(2)).and_then(|left| {
            // SAFETY: `done` is below `length`, so what is left of the caller's buffer starts there.
            Errno::result(unsafe { libc::pread(file.as_raw_fd(), to.add(done).cast(), left, position) })
        });
        match read {
            Ok(0) => break,
            Ok(read) => done += read as usize,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// Reads up to `length` bytes at `offset`, as many as are in the page cache; none where that cannot be told. Never waits for a
/// disk, but sets it to work on the rest, where the file system can.
///
/// # Safety
/// `to` is valid for writes of `length` bytes, and nothing else accesses them meanwhile.
pub(crate) unsafe fn read_cached(file: BorrowedFd<'_>, offset: u64, to: *mut u8, length: usize) -> usize {
    let Ok(offset) = off_t::try_from(offset) else { return 0 };
    let Ok(allowed) = before_bytes(Call::Preadv2, length, length.div_ceil(2)) else { return 0 };
    let buffer = libc::iovec { iov_base: to.cast(), iov_len: allowed };
    // SAFETY: by this function's contract; the kernel reads just one iovec.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &buffer, 1, offset, libc::RWF_NOWAIT) };
    usize::try_from(read).unwrap_or(0)
}

/// Whether `length` bytes from `offset` on are in the page cache; false where that cannot be told (before Linux 6.5, and on newer
/// kernels to those who neither own the file nor may write to it). Starts no reading.
pub(crate) fn is_cached(file: BorrowedFd<'_>, offset: u64, length: usize) -> bool {
    if before(Call::CacheStat).is_err() {
        return false;
    }
    let range = cachestat_range { off: offset, len: length as u64 };
    let mut found = cachestat::default();
    // SAFETY: the kernel reads and writes just these two structs.
    let asked = unsafe { libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), &range, &mut found, 0) };
    asked == 0 && found.nr_cache * super::page_size() as u64 >= length as u64
}

/// The first stretch of data that ends behind `offset`; `None` when only a hole follows. Where nothing is known of
/// holes, as on block devices and some file systems, everything is data.
pub(crate) fn next_data(file: BorrowedFd<'_>, offset: u64) -> nix::Result<Option<Range<u64>>> {
    let start = match seek(file, offset, Whence::SeekData) {
        Ok(start) => start,
        Err(Errno::ENXIO) => return Ok(None),
        Err(Errno::EINVAL | Errno::EOPNOTSUPP) => return Ok(Some(offset..u64::MAX)),
        Err(errno) => return Err(errno),
    };
    seek(file, start, Whence::SeekHole).map(|end| Some(start..end))
}

/// Where a file is read and written next. An error where it has been opened as nothing but a path (O_PATH).
pub(super) fn position(file: BorrowedFd<'_>) -> nix::Result<u64> {
    seek(file, 0, Whence::SeekCur)
}

/// Does what moves the position of a file, which belongs to the caller, and moves it back.
pub(super) fn keeping_position<T>(file: BorrowedFd<'_>, f: impl FnOnce() -> nix::Result<T>) -> nix::Result<T> {
    let position = position(file)?;
    let result = f();
    seek(file, position, Whence::SeekSet)?;
    result
}

fn seek(file: BorrowedFd<'_>, offset: u64, whence: Whence) -> nix::Result<u64> {
    let offset = off_t::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
    before(Call::Lseek).and_then(|()| lseek(file, offset, whence)).map(|position| position as u64)
}
