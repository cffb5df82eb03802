//! The mappings of this process at length: what the kernel knows of each.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;

use super::before::{Call, before};

/// Not of "self": that is the main thread's, and empty once that thread has ended.
const PATH: &str = "/proc/thread-self/smaps";

/// A mapping.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub range: Range<usize>,
    /// It may have huge pages; true where nothing is said of them.
    pub may_be_huge: bool,
    /// The protection key of its pages.
    pub key: u32,
    /// Two letters each, as in the manual of /proc/PID/smaps.
    flags: String,
}

impl Described {
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        self.flags.split_ascii_whitespace()
    }

    pub fn has(&self, flag: &str) -> bool {
        self.flags().any(|word| word == flag)
    }
}

/// Visits the mappings, in the order of addresses, as far as they start before `end`. The kernel looks at every page that is present
/// there: ask for memory that holds few.
pub(super) fn visit(end: usize, visit: impl FnMut(&Described)) -> io::Result<()> {
    before(Call::ReadSmaps)?;
    parse(BufReader::with_capacity(1 << 16, File::open(PATH)?), end, visit)
}

/// Reads no more than concerns the addresses before `end`.
pub(super) fn parse(mut smaps: impl BufRead, end: usize, mut visit: impl FnMut(&Described)) -> io::Result<()> {
    let mut mapping = Described::default();
    let mut line = Vec::new();
    while smaps.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if let Some(range) = parse_range(&text) {
            if range.start >= end {
                break;
            }
            mapping = Described { range, may_be_huge: true, ..Described::default() };
        } else if let Some(number) = text.strip_prefix("THPeligible:") {
            mapping.may_be_huge = number.trim() != "0";
        } else if let Some(key) = text.strip_prefix("ProtectionKey:") {
            // What cannot be read is not the key that all memory has.
            mapping.key = key.trim().parse().unwrap_or(u32::MAX);
        } else if let Some(flags) = text.strip_prefix("VmFlags:") {
            // The last line of a mapping.
            flags.clone_into(&mut mapping.flags);
            visit(&mapping);
        }
        line.clear();
    }
    Ok(())
}

/// The range of the first line of a mapping, as in /proc/self/maps; none of other lines, which start with a capital letter.
fn parse_range(line: &str) -> Option<Range<usize>> {
    if line.starts_with(|first: char| first.is_ascii_uppercase()) {
        return None;
    }
    let hex = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    Some(hex(start)?..hex(end)?)
}
