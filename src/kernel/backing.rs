//! What is behind the caller's memory: whether the file of a private mapping holds data.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, fstat, major, minor};

use super::file::{next_data, open_read_only};
use crate::error::{Error, Result, ensure, error};

/// A private mapping of a file, as /proc/self/maps tells it.
struct PrivateFile {
    /// Its name in /proc/self/map_files.
    range: String,
    length: u64,
    /// Where in the file it starts.
    offset: u64,
    device: (u64, u64),
    inode: u64,
}

/// Refuses private mappings of a file that holds data: emptied, the memory shows that data instead of faulting.
pub(crate) fn check_private_files_are_empty(start: usize, length: usize) -> Result<()> {
    let maps = fs::read_to_string("/proc/self/maps");
    let maps = maps.map_err(|error| Error::os(error.raw_os_error().unwrap_or(libc::EIO), "reading /proc/self/maps"))?;
    let end = start as u64 + length as u64;
    maps.lines().filter_map(|line| parse(line, start as u64, end)).try_for_each(|mapping| mapping.check_empty())
}

/// A line of the form `START-END PERMISSIONS OFFSET DEVICE INODE PATH`, where it is a private mapping of a file that
/// others could have written to, in a range.
fn parse(line: &str, start: u64, end: u64) -> Option<PrivateFile> {
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let mut words = line.split_ascii_whitespace();
    let (range, permissions, offset, device, inode) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let (from, to) = range.split_once('-').and_then(|(from, to)| Some((hex(from)?, hex(to)?)))?;
    let inode = inode.parse().ok()?;
    let is_file = inode != 0 && words.next() != Some("/anon_hugepage");
    if !(is_file && permissions.ends_with('p') && from < end && start < to) {
        return None;
    }
    let device = device.split_once(':').and_then(|(major, minor)| Some((hex(major)?, hex(minor)?)))?;
    Some(PrivateFile { range: range.to_owned(), length: to - from, offset: hex(offset)?, device, inode })
}

impl PrivateFile {
    fn check_empty(&self) -> Result<()> {
        let Some(file) = self.open() else {
            return Err(error!(
                EINVAL,
                "it cannot be emptied for certain: it is a private mapping of a file that is not open here, and may hold \
                 data; map it shared"
            ));
        };
        let blocks = fstat(&file).map_err(|errno| Error::os(errno as i32, "fstat of the file behind it"))?.st_blocks;
        // hugetlbfs does not know where its data is, only how much.
        let holds_data = blocks != 0
            && next_data(file.as_fd(), self.offset)
                .map_err(|errno| Error::os(errno as i32, "looking for data in the file behind it"))?
                .is_some_and(|data| data.start < self.offset + self.length);
        ensure!(
            !holds_data,
            EINVAL,
            "it cannot be emptied: the file behind this private mapping holds data; map it shared, or empty the file"
        );
        Ok(())
    }

    /// The file, as the kernel gives it to a privileged process, or as the process has it open itself.
    fn open(&self) -> Option<OwnedFd> {
        let by_range = open_read_only(&Path::new("/proc/self/map_files").join(&self.range)).ok();
        by_range.or_else(|| {
            let open = fs::read_dir("/proc/self/fd").ok()?;
            let numbers = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
            numbers.filter_map(|number| self.same_file(number)).next()
        })
    }

    /// A duplicate of a descriptor of this process, if it is of this file.
    fn same_file(&self, number: i32) -> Option<OwnedFd> {
        // SAFETY: at worst it was closed since it was listed, or means another file: then duplicating or comparing fails.
        let duplicate = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned().ok()?;
        let status: Result<FileStat, Errno> = fstat(&duplicate);
        let same = status.is_ok_and(|status| {
            status.st_ino == self.inode && (major(status.st_dev), minor(status.st_dev)) == self.device
        });
        same.then_some(duplicate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_mappings_of_files_are_found() {
        let found = parse("7f00-7f80 rw-p 00001000 00:0f 4711 /memfd:ram (deleted)", 0x7f00, 0x7f10).unwrap();
        assert_eq!((found.range.as_str(), found.length, found.offset), ("7f00-7f80", 0x80, 0x1000));
        assert_eq!((found.device, found.inode), ((0, 0xf), 4711));
        for other in [
            "7f00-7f80 rw-s 00001000 00:0f 4711 /memfd:ram (deleted)",
            "7f00-7f80 rw-p 00000000 00:00 0 ",
            "7f00-7f80 rw-p 00000000 00:10 4711 /anon_hugepage (deleted)",
            "8000-8080 rw-p 00001000 00:0f 4711 /memfd:ram (deleted)",
            "nonsense",
        ] {
            assert!(parse(other, 0x7f00, 0x7f10).is_none(), "{other}");
        }
    }
}
