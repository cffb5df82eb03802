//! What is behind the caller's memory: whether it is private and anonymous, and whether the file of a private mapping
//! holds data.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::{fs, io, mem};

use nix::errno::Errno;
use nix::sys::stat::{major, minor};

use super::call::{Call, before};
use super::file::{keeping_position, next_data, open_read_only, position, status};
use crate::error::{Error, Result, ensure, error};

/// The mappings of this process, as they were.
#[derive(Debug)]
pub(crate) struct Maps(Vec<Mapped>);

/// A line of /proc/self/maps.
#[derive(Debug)]
struct Mapped {
    range: Range<u64>,
    what: What,
}

#[derive(Debug)]
enum What {
    PrivateAnonymous,
    PrivateFile(PrivateFile),
    Other,
}

/// A private mapping of a file that others could have written to.
#[derive(Debug)]
struct PrivateFile {
    /// Its name in /proc/self/map_files.
    name: String,
    length: u64,
    /// Where in the file it starts.
    offset: u64,
    device: (u64, u64),
    inode: u64,
}

impl Maps {
    pub fn read() -> Result<Self> {
        let maps = before(Call::ReadMaps).map_err(io::Error::from).and_then(|()| fs::read_to_string("/proc/self/maps"));
        let maps = maps.map_err(|error| Error::io(&error, "reading /proc/self/maps"))?;
        Ok(Self(maps.lines().filter_map(parse).collect()))
    }

    /// Whether memory is private and anonymous, and no hugetlbfs: then what is missing is zeros to the kernel, too.
    pub fn are_private_anonymous(&self, start: usize, length: usize) -> bool {
        self.within(start, length).all(|mapped| matches!(mapped.what, What::PrivateAnonymous))
    }

    /// A range in the parts that lie in one mapping each.
    pub fn parts(&self, start: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
        let end = start + length;
        let ends = self.within(start, length).map(move |mapped| end.min(mapped.range.end as usize)).chain([end]);
        let mut at = start;
        ends.map(move |end| mem::replace(&mut at, end)..end).filter(|part| !part.is_empty())
    }

    /// Refuses private mappings of a file that holds data: emptied, the memory shows that data instead of faulting.
    pub fn check_private_files_are_empty(&self, start: usize, length: usize) -> Result<()> {
        self.within(start, length).try_for_each(|mapped| match &mapped.what {
            What::PrivateFile(file) => file.check_empty(),
            What::PrivateAnonymous | What::Other => Ok(()),
        })
    }

    fn within(&self, start: usize, length: usize) -> impl Iterator<Item = &Mapped> {
        let (start, end) = (start as u64, start as u64 + length as u64);
        self.0.iter().filter(move |mapped| mapped.range.start < end && start < mapped.range.end)
    }
}

/// A line of the form `START-END PERMISSIONS OFFSET DEVICE INODE PATH`.
fn parse(line: &str) -> Option<Mapped> {
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let mut words = line.split_ascii_whitespace();
    let (name, permissions, offset, device, inode) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let range = name.split_once('-').and_then(|(from, to)| Some(hex(from)?..hex(to)?))?;
    let inode = inode.parse().ok()?;
    let path = words.next();
    let what = match (permissions.ends_with('p'), inode, path) {
        (true, 0, None) => What::PrivateAnonymous,
        (true, 0, Some(path)) if path.starts_with("[anon:") || path == "[heap]" => What::PrivateAnonymous,
        (false, ..) | (_, 0, _) | (.., Some("/anon_hugepage")) => What::Other,
        (true, ..) => {
            let device = device.split_once(':').and_then(|(major, minor)| Some((hex(major)?, hex(minor)?)))?;
            let (name, length, offset) = (name.to_owned(), range.end - range.start, hex(offset)?);
            What::PrivateFile(PrivateFile { name, length, offset, device, inode })
        }
    };
    Some(Mapped { range, what })
}

impl PrivateFile {
    fn check_empty(&self) -> Result<()> {
        let own = self.own_descriptor();
        // Only what the process has not open is opened: closing any descriptor of a file releases all record locks that the
        // process holds on it (F_SETLK), and so neither is one of its own duplicated.
        let opened = if own.is_none() { self.open() } else { None };
        let Some(file) = own.or(opened.as_ref().map(AsFd::as_fd)) else {
            return Err(error!(
                EINVAL,
                "it cannot be emptied for certain: it is a private mapping of a file that is not open here, and may hold \
                 data; map it shared"
            ));
        };
        let holds_data =
            self.holds_data(file).map_err(|errno| Error::os(errno as i32, "looking for data in the file behind it"))?;
        ensure!(
            !holds_data,
            EINVAL,
            "it cannot be emptied: the file behind this private mapping holds data; map it shared, or empty the file"
        );
        Ok(())
    }

    fn holds_data(&self, file: BorrowedFd<'_>) -> nix::Result<bool> {
        // hugetlbfs does not know where its data is, only how much.
        let is_empty = status(file)?.st_blocks == 0;
        let data = if is_empty { None } else { keeping_position(file, || next_data(file, self.offset))? };
        // One of the process's own may have been closed meanwhile, and its number mean another file.
        if !self.is_behind(file)? {
            return Err(Errno::EBADF);
        }
        Ok(data.is_some_and(|data| data.start < self.offset + self.length))
    }

    /// A descriptor of the process's own that is open for the file.
    fn own_descriptor(&self) -> Option<BorrowedFd<'_>> {
        before(Call::ListDescriptors).ok()?;
        let open = fs::read_dir("/proc/self/fd").ok()?;
        let numbers = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        // SAFETY: it is only looked at; at worst it is closed meanwhile, or means another file, which is found out.
        let mut files = numbers.map(|number| unsafe { BorrowedFd::borrow_raw(number) });
        files.find(|file| self.is_behind(*file) == Ok(true) && position(*file).is_ok())
    }

    /// The file, as the kernel gives it to a privileged process.
    fn open(&self) -> Option<OwnedFd> {
        open_read_only(&Path::new("/proc/self/map_files").join(&self.name)).ok()
    }

    fn is_behind(&self, file: BorrowedFd<'_>) -> nix::Result<bool> {
        let status = status(file)?;
        Ok(status.st_ino == self.inode && (major(status.st_dev), minor(status.st_dev)) == self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_mappings_of_files_are_found() {
        let found = parse("7f00-7f80 rw-p 00001000 00:0f 4711 /memfd:ram (deleted)").unwrap();
        assert_eq!(found.range, 0x7f00..0x7f80);
        let What::PrivateFile(file) = found.what else { panic!("a private file was expected: {found:?}") };
        assert_eq!((file.name.as_str(), file.length, file.offset), ("7f00-7f80", 0x80, 0x1000));
        assert_eq!((file.device, file.inode), ((0, 0xf), 4711));
    }

    #[test]
    fn other_mappings_are_told_apart() {
        for (line, private_anonymous) in [
            ("7f00-7f80 rw-p 00000000 00:00 0 ", true),
            ("7f00-7f80 rw-p 00000000 00:00 0   [anon:guest RAM]", true),
            ("7f00-7f80 rw-p 00000000 00:00 0   [heap]", true),
            ("7f00-7f80 r--p 00000000 00:00 0   [vvar]", false),
            ("7f00-7f80 rw-s 00001000 00:0f 4711 /memfd:ram (deleted)", false),
            ("7f00-7f80 rw-s 00001000 00:01 4711 /dev/zero (deleted)", false),
            ("7f00-7f80 rw-p 00000000 00:10 4711 /anon_hugepage (deleted)", false),
        ] {
            let found = parse(line).unwrap().what;
            assert_eq!(matches!(found, What::PrivateAnonymous), private_anonymous, "{line}: {found:?}");
            assert!(!matches!(found, What::PrivateFile(_)), "{line}: {found:?}");
        }
        assert!(parse("nonsense").is_none());
    }

    #[test]
    fn only_what_is_in_a_range_counts() {
        let lines = ["1000-3000 rw-p 00000000 00:00 0 ", "3000-4000 rw-s 00000000 00:0f 4711 /memfd:ram"];
        let maps = Maps(lines.into_iter().filter_map(parse).collect());
        assert!(maps.are_private_anonymous(0x1000, 0x2000));
        assert!(!maps.are_private_anonymous(0x2000, 0x1001));
        let parts = |start, length| maps.parts(start, length).map(|part| (part.start, part.end)).collect::<Vec<_>>();
        assert_eq!(parts(0x1000, 0x3000), [(0x1000, 0x3000), (0x3000, 0x4000)]);
        assert_eq!(parts(0x2000, 0x1800), [(0x2000, 0x3000), (0x3000, 0x3800)]);
        // Nothing is passed over, whatever is known of it.
        assert_eq!(parts(0x800, 0x1000), [(0x800, 0x1800)]);
        assert_eq!(parts(0x3800, 0x1000), [(0x3800, 0x4000), (0x4000, 0x4800)]);
    }
}
