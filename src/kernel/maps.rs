//! The mappings of this process: what is behind the caller's memory.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::{fs, mem};

use nix::sys::stat::makedev;

use super::backing::Backing;
use super::before::{Call, before, read_text};
use super::file::FileId;
use crate::error::{Error, Result, ensure, error};

/// Not of "self": that is the main thread's, and empty once that thread has ended.
const PATH: &str = "/proc/thread-self/maps";

/// The mappings of this process, as they were.
#[derive(Debug)]
pub(crate) struct Maps(Vec<Mapped>);

/// A line of the file.
#[derive(Debug)]
struct Mapped {
    range: Range<u64>,
    what: What,
}

#[derive(Debug)]
enum What {
    PrivateAnonymous,
    PrivateFile(Backing),
    SharedFile(Backing),
    Other,
}

/// A part of a file that is mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRange {
    /// Where in memory.
    pub address: u64,
    pub file: FileId,
    pub bytes: Range<u64>,
}

impl Maps {
    /// Reads them. EOPNOTSUPP where /proc does not tell.
    pub fn read() -> Result<Self> {
        let text = before(Call::ReadMaps).map_err(io::Error::from).and_then(|()| fs::read(PATH));
        let text = text.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => {
                error!(EOPNOTSUPP, "{PATH} cannot be read, which tells what RAM is mapped from: {error}; mount /proc")
            }
            _ => Error::io(&error, format_args!("reading {PATH}")),
        })?;
        ensure!(
            !text.is_empty(),
            EOPNOTSUPP,
            "{PATH} is empty, which tells what RAM is mapped from; mount the /proc of this system"
        );
        let lines = || text.split(|byte| *byte == b'\n');
        let mut maps = Vec::new();
        maps.try_reserve_exact(lines().count())
            .map_err(|_| error!(ENOMEM, "no memory for the mappings of this process"))?;
        maps.extend(lines().filter_map(parse));
        Ok(Self(maps))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether all of a range is known here.
    pub fn cover(&self, start: usize, length: usize) -> bool {
        let (mut at, end) = (start as u64, start as u64 + length as u64);
        for mapped in self.within(start, length) {
            if mapped.range.start > at {
                return false;
            }
            at = mapped.range.end;
        }
        at >= end
    }

    /// Whether memory is private and anonymous, and no hugetlbfs: then what is missing is zeros to the kernel, too.
    pub fn are_private_anonymous(&self, start: usize, length: usize) -> bool {
        self.within(start, length).all(|mapped| matches!(mapped.what, What::PrivateAnonymous))
    }

    /// Whether memory is a shared mapping: then what is missing is zeros to every process that maps it.
    pub fn are_shared(&self, start: usize, length: usize) -> bool {
        self.cover(start, length) && self.within(start, length).all(|mapped| matches!(mapped.what, What::SharedFile(_)))
    }

    /// A range in the parts that lie in one mapping each.
    pub fn parts(&self, start: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
        let end = start + length;
        let ends = self.within(start, length).map(move |mapped| end.min(mapped.range.end as usize)).chain([end]);
        let mut at = start;
        ends.map(move |end| mem::replace(&mut at, end)..end).filter(|part| !part.is_empty())
    }

    /// The parts of files that are mapped in a range.
    pub fn files(&self, start: usize, length: usize) -> impl Iterator<Item = FileRange> {
        let (start, end) = (start as u64, start as u64 + length as u64);
        self.within(start as usize, length).filter_map(move |Mapped { range, what }| {
            let (What::PrivateFile(part) | What::SharedFile(part)) = what else { return None };
            let (address, end) = (range.start.max(start), range.end.min(end));
            let first = part.offset + (address - range.start);
            Some(FileRange { address, file: part.file, bytes: first..first + (end - address) })
        })
    }

    /// Refuses mappings that cannot be emptied: private ones of a file that holds data, since the memory then shows that data
    /// instead of faulting; and shared ones of a memfd that is sealed against writing.
    pub fn check_files(&self, start: usize, length: usize) -> Result<()> {
        self.within(start, length).try_for_each(|mapped| match &mapped.what {
            What::PrivateFile(file) => file.check_empty(),
            What::SharedFile(file) => file.check_unsealed(),
            What::PrivateAnonymous | What::Other => Ok(()),
        })
    }

    fn within(&self, start: usize, length: usize) -> impl Iterator<Item = &Mapped> {
        let (start, end) = (start as u64, start as u64 + length as u64);
        self.0.iter().filter(move |mapped| mapped.range.start < end && start < mapped.range.end)
    }
}

/// How many mappings a process may have (the sysctl vm.max_map_count); none where that cannot be told.
pub(crate) fn most_mappings() -> Option<usize> {
    read_text(Call::ReadMostMappings, "/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

/// A line of the form `START-END PERMISSIONS OFFSET DEVICE INODE PATH`; the path may be any bytes.
fn parse(line: &[u8]) -> Option<Mapped> {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let mut word = || std::str::from_utf8(words.next()?).ok();
    let (range, permissions, offset, device, inode) = (word()?, word()?, word()?, word()?, word()?);
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let pair = |text: &str, between| text.split_once(between).and_then(|(one, other)| Some((hex(one)?, hex(other)?)));
    let (start, end) = pair(range, '-')?;
    let (major, minor) = pair(device, ':')?;
    let file = FileId { device: makedev(major, minor), inode: inode.parse().ok()? };
    let backing = Backing { mapped: start..end, offset: hex(offset)?, file };
    let path = words.next().unwrap_or_default();
    let what = match (permissions.ends_with('p'), file.inode) {
        (true, 0) if path.is_empty() || path.starts_with(b"[anon:") || path == b"[heap]" => What::PrivateAnonymous,
        (_, 0) => What::Other,
        // Memory of the kernel's own, which no file is behind.
        (true, _) if path == b"/anon_hugepage" => What::Other,
        (true, _) => What::PrivateFile(backing),
        (false, _) => What::SharedFile(backing),
    };
    Some(Mapped { range: start..end, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(lines: &[&str]) -> Maps {
        Maps(lines.iter().filter_map(|line| parse(line.as_bytes())).collect())
    }

    #[test]
    fn mappings_of_files_are_found() {
        for (permissions, shared) in [("rw-p", false), ("rw-s", true)] {
            let line = format!("7f00-7f80 {permissions} 00001000 00:0f 4711 /memfd:ram (deleted)");
            let found = parse(line.as_bytes()).unwrap();
            assert_eq!(found.range, 0x7f00..0x7f80);
            let (part, is_shared) = match found.what {
                What::PrivateFile(part) => (part, false),
                What::SharedFile(part) => (part, true),
                other => panic!("a file was expected: {other:?}"),
            };
            assert_eq!((part.mapped, part.offset, is_shared), (0x7f00..0x7f80, 0x1000, shared));
            assert_eq!(part.file, FileId { device: makedev(0, 0xf), inode: 4711 });
        }
    }

    #[test]
    fn a_path_may_be_any_bytes() {
        let found = parse(b"7f00-7f80 rw-s 00001000 00:0f 4711    /memfd:\xff\xfe ram (deleted)").unwrap();
        assert!(matches!(found.what, What::SharedFile(_)), "{found:?}");
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
            let maps = maps(&[line]);
            assert_eq!(maps.are_private_anonymous(0x7f00, 0x80), private_anonymous, "{line}: {maps:?}");
            assert_eq!(maps.check_files(0x7f00, 0x80), Ok(()), "{line}");
        }
        assert!(parse(b"nonsense").is_none() && parse(b"").is_none());
    }

    #[test]
    fn only_what_is_in_a_range_counts() {
        let maps = maps(&["1000-3000 rw-p 00000000 00:00 0 ", "3000-4000 rw-s 00005000 00:0f 4711 /memfd:ram"]);
        assert!(maps.are_private_anonymous(0x1000, 0x2000));
        assert!(!maps.are_private_anonymous(0x2000, 0x1001));
        assert!(maps.are_shared(0x3000, 0x1000));
        assert!(!maps.are_shared(0x2000, 0x2000) && !maps.are_shared(0x3000, 0x2000));
        let parts = |start, length| maps.parts(start, length).map(|part| (part.start, part.end)).collect::<Vec<_>>();
        assert_eq!(parts(0x1000, 0x3000), [(0x1000, 0x3000), (0x3000, 0x4000)]);
        assert_eq!(parts(0x2000, 0x1800), [(0x2000, 0x3000), (0x3000, 0x3800)]);
        // Nothing is passed over, whatever is known of it.
        assert_eq!(parts(0x800, 0x1000), [(0x800, 0x1800)]);
        assert_eq!(parts(0x3800, 0x1000), [(0x3800, 0x4000), (0x4000, 0x4800)]);
        let files = |start, length| {
            maps.files(start, length).map(|part| (part.bytes.start, part.bytes.end)).collect::<Vec<_>>()
        };
        assert_eq!(files(0x1000, 0x2000), []);
        assert_eq!(files(0x2000, 0x1800), [(0x5000, 0x5800)]);
        assert_eq!(files(0x3800, 0x1000), [(0x5800, 0x6000)]);
    }

    #[test]
    fn what_is_not_listed_is_not_covered() {
        let maps =
            maps(&["1000-3000 rw-p 00000000 00:00 0 ", "3000-4000 rw-p 00000000 00:00 0 ", "5000-6000 rw-p 0 00:00 0"]);
        assert!(maps.cover(0x1000, 0x3000) && maps.cover(0x2800, 0x1000));
        for (start, length) in [(0x800, 0x1000), (0x3800, 0x1000), (0x3800, 0x2000), (0x7000, 0x1000)] {
            assert!(!maps.cover(start, length), "{start:#x}, {length:#x}");
        }
    }

    #[test]
    fn the_mappings_of_this_process_have_its_memory() {
        let memory = vec![0u8; 1 << 20];
        let maps = Maps::read().unwrap();
        assert!(maps.cover(memory.as_ptr().addr(), memory.len()));
        assert!(maps.are_private_anonymous(memory.as_ptr().addr(), memory.len()));
    }
}
