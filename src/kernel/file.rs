//! Files as sources of pages: opening, exact positioned reads into raw memory, lengths and holes.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use libc::off_t;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, PosixFadviseAdvice, fcntl, open, posix_fadvise};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::statfs::{FsType, HUGETLBFS_MAGIC, OVERLAYFS_SUPER_MAGIC, fstatfs};
use nix::unistd::{Whence, fdatasync, lseek};

use super::before::{Call, before, before_bytes, uninterrupted};
use super::mapping::page_size;
use super::uapi::{SYS_CACHESTAT, cachestat, cachestat_range};
use crate::error::{self, Error, Result, error};

// BLKGETSIZE64, whose number is made with the size of a size_t. Unlike lseek() it leaves the position alone, which a
// duplicated descriptor shares with the original.
nix::ioctl_read!(block_device_length, 0x12, 114, usize);

/// Opens a file to read from.
pub(crate) fn open_read_only(path: &Path) -> Result<OwnedFd> {
    open_to_read(path, OFlag::empty()).map_err(|errno| Error::os(errno, "opening"))
}

/// Opens an open file once more, to be read past the page cache.
pub(crate) fn open_direct(file: BorrowedFd<'_>) -> Result<OwnedFd> {
    // Not of "self": threads may have descriptors of their own.
    let path = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
    open_to_read(Path::new(&path), OFlag::O_DIRECT).map_err(|errno| {
        // ENOENT would say that something of the caller's is not known.
        let (number, advice) = match errno {
            Errno::ENOENT | Errno::ENOTDIR => (libc::EOPNOTSUPP, "mount /proc, or load without UFFD_LOAD_DIRECT_IO"),
            _ => (errno as i32, "load without UFFD_LOAD_DIRECT_IO, or move it where that can be"),
        };
        let what = format!("opening it once more ({path}) for direct input and output (O_DIRECT)");
        Error::new(number, format!("{what}; {advice}: {}", error::Errno::from(errno)))
    })
}

pub(super) fn open_to_read(path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    // Non-blocking for the sake of a FIFO without a writer, which would hang in open(); regular files take no notice.
    let flags = flags | OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    uninterrupted(Call::Open, || open(path, flags, Mode::empty()))
}

/// One more descriptor of the same open file.
pub(crate) fn duplicate(file: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = before(Call::Fcntl).and_then(|()| fcntl(file, FcntlArg::F_GETFL));
    let flags = flags.map_err(|errno| Error::os(errno, "fcntl(F_GETFL)"))?;
    // A duplicate has the same flags, and direct reads would need buffers and offsets that suit the disk.
    if OFlag::from_bits_retain(flags).contains(OFlag::O_DIRECT) {
        let path = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
        return open_to_read(Path::new(&path), OFlag::empty()).map_err(|errno| {
            error!(
                EINVAL,
                "it is open for direct input and output (O_DIRECT), and cannot be opened without once more ({path}: {}); open \
                 it without O_DIRECT",
                error::Errno::from(errno)
            )
        });
    }
    let duplicate = before(Call::Duplicate).map_err(io::Error::from).and_then(|()| file.try_clone_to_owned());
    duplicate.map_err(|error| Error::io(&error, "duplicating it"))
}

pub(super) fn status(file: impl AsFd) -> nix::Result<FileStat> {
    before(Call::Fstat)?;
    fstat(file)
}

/// What tells a file from all others of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl FileId {
    pub fn of(file: impl AsFd) -> Result<Self, error::Errno> {
        Ok(status(file).map(|status| Self::from(&status))?)
    }
}

impl From<&FileStat> for FileId {
    fn from(status: &FileStat) -> Self {
        Self { device: status.st_dev, inode: status.st_ino }
    }
}

/// The length of a regular file or block device; anything else is no source of pages.
pub(crate) fn length(file: BorrowedFd<'_>) -> Result<u64> {
    let status = status(file).map_err(|errno| Error::os(errno, "fstat"))?;
    match kind_of(&status) {
        SFlag::S_IFREG => Ok(status.st_size as u64),
        SFlag::S_IFBLK => {
            let mut length = 0_u64;
            let asked = before(Call::BlockDeviceLength).and_then(|()| {
                // SAFETY: the kernel writes 64 bits, whatever the request's number says, and there is room for them.
                unsafe { block_device_length(file.as_raw_fd(), (&raw mut length).cast()) }
            });
            asked.map_err(|errno| Error::os(errno, "asking for the block device's size"))?;
            Ok(length)
        }
        other => Err(error!(EINVAL, "it is a {}; a regular file or block device is needed", kind_name(other))),
    }
}

pub(super) fn kind_of(status: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits())
}

/// What a kind of file is called.
pub(super) fn kind_name(kind: SFlag) -> &'static str {
    match kind {
        SFlag::S_IFREG => "regular file",
        SFlag::S_IFBLK => "block device",
        SFlag::S_IFDIR => "directory",
        SFlag::S_IFIFO => "FIFO",
        SFlag::S_IFSOCK => "socket",
        SFlag::S_IFCHR => "character device",
        _ => "file of no known kind",
    }
}

/// Fills `to` with the bytes at `offset`; how many: fewer than there is room for only where the file ends.
pub(crate) fn read_at(file: BorrowedFd<'_>, offset: u64, to: &mut [u8]) -> Result<usize, error::Errno> {
    let mut done = 0;
    while done < to.len() {
        let position = offset.checked_add(done as u64).and_then(|at| off_t::try_from(at).ok());
        let position = position.ok_or(Errno::EOVERFLOW)?;
        let left = &mut to[done..];
        let allowed = before_bytes(Call::Pread, left.len(), || left.len().div_ceil(2));
        match allowed.and_then(|allowed| nix::sys::uio::pread(file, &mut left[..allowed], position)) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(done)
}

/// Fills `to` with as many of the bytes at `offset` as are in the page cache; how many. Never waits for a disk, but sets it to work on
/// the rest, where the file system can. EOPNOTSUPP or ENOSYS where it cannot tell.
pub(crate) fn read_at_once(file: BorrowedFd<'_>, offset: u64, to: &mut [u8]) -> Result<usize, error::Errno> {
    let offset = off_t::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
    let allowed = before_bytes(Call::Preadv2, to.len(), || to.len().div_ceil(2))?;
    let to = &mut to[..allowed];
    let buffer = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
    // SAFETY: the kernel writes to `to` only, which is borrowed for writing, and reads just one iovec.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &buffer, 1, offset, libc::RWF_NOWAIT) };
    Ok(Errno::result(read)? as usize)
}

/// As much as Linux fetches for one call, at least: it cuts off what is more than a device has for its readahead, silently.
const FETCHED_AT_ONCE: u64 = 128 << 10;

/// Has the disk read bytes into the page cache, all of them at once. Waits for none of them; whoever reads them sees what fails.
pub(crate) fn prefetch(file: BorrowedFd<'_>, offset: u64, length: u64) {
    for at in (offset..offset.saturating_add(length)).step_by(FETCHED_AT_ONCE as usize) {
        let length = FETCHED_AT_ONCE.min(offset + length - at);
        let (Ok(at), Ok(length)) = (off_t::try_from(at), off_t::try_from(length)) else { return };
        let willneed = PosixFadviseAdvice::POSIX_FADV_WILLNEED;
        if before(Call::Fadvise).and_then(|()| posix_fadvise(file, at, length, willneed)).is_err() {
            return;
        }
    }
}

/// Whether `length` bytes from `offset` on are in the page cache; false where that cannot be told (before Linux 6.5, and on newer
/// kernels to those who neither own the file nor may write to it). Starts no reading.
pub(crate) fn is_cached(file: BorrowedFd<'_>, offset: u64, length: usize) -> bool {
    let pages = cached_pages(file, offset, length);
    pages.is_ok_and(|pages| pages * page_size() as u64 >= length as u64)
}

/// Whether the kernel does not tell this process what is in the page cache of a file.
pub(crate) fn hides_its_cache(file: BorrowedFd<'_>) -> bool {
    // Of an overlay's file it says that nothing is, since the pages are those of the file below.
    cached_pages(file, 0, 1).is_err() || file_system(file) == Some(OVERLAYFS_SUPER_MAGIC)
}

fn file_system(file: BorrowedFd<'_>) -> Option<FsType> {
    before(Call::Fstatfs).and_then(|()| fstatfs(file)).map(|status| status.filesystem_type()).ok()
}

/// How many pages of these bytes are in the page cache.
fn cached_pages(file: BorrowedFd<'_>, offset: u64, length: usize) -> nix::Result<u64> {
    before(Call::CacheStat)?;
    let range = cachestat_range { off: offset, len: length as u64 };
    let mut found = cachestat::default();
    // SAFETY: the kernel reads and writes just these two structs.
    Errno::result(unsafe { libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), &range, &mut found, 0) })?;
    Ok(found.nr_cache)
}

/// File systems that know of data that has not been written to their disk yet that it is no hole: ext4, XFS, Btrfs, F2FS, tmpfs.
const EXACT_ABOUT_HOLES: [FsType; 5] =
    [FsType(0xef53), FsType(0x5846_5342), FsType(0x9123_683e), FsType(0xf2f5_2010), FsType(0x0102_1994)];

/// Whether a file is on hugetlbfs, whose pages are huge pages of the host's, and which always says so.
pub(crate) fn is_hugetlbfs(file: BorrowedFd<'_>) -> bool {
    file_system(file) == Some(HUGETLBFS_MAGIC)
}

/// Before the holes of a file are looked for: some file systems (OpenZFS) take data for a hole that is in memory only, and
/// not on their disk yet.
pub(crate) fn settle_holes(file: BorrowedFd<'_>) -> Result<()> {
    // Where that is not known of one, writing back what may be in memory only costs time, and nothing else.
    if file_system(file).is_some_and(|kind| EXACT_ABOUT_HOLES.contains(&kind)) {
        return Ok(());
    }
    match uninterrupted(Call::Fdatasync, || fdatasync(file)) {
        // Nothing can be written there, or the file system knows no such thing.
        Ok(()) | Err(Errno::EROFS | Errno::EINVAL | Errno::EBADF | Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
        Err(errno) => Err(Error::os(errno, "writing it back (fdatasync) before holes are looked for")),
    }
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
