//! Which memory wants huge pages: by its own advice (madvise), the process's and the host's.

use std::io;
use std::ops::Range;

use super::before::{Call, read_text};
use super::mapping::HUGE_PAGE;
use super::smaps::{self, Described};

const TRANSPARENT: &str = "/sys/kernel/mm/transparent_hugepage";

/// When the host gives anonymous memory huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Unless the memory refuses them.
    Always,
    /// Where the memory asks for them.
    Advised,
    Never,
}

/// Which of these ranges of private anonymous memory, in ascending order, want huge pages; not one of which that cannot be told.
/// The kernel looks at every page that is present to tell: ask for memory that has just been emptied.
pub(crate) fn want_huge_pages(ranges: &[Range<usize>]) -> Vec<bool> {
    let mode = mode();
    if mode == Mode::Never || ranges.is_empty() {
        return vec![false; ranges.len()];
    }
    wanted(mode, ranges, |end, visit| smaps::visit(end, visit)).unwrap_or_else(|_| vec![false; ranges.len()])
}

/// Never, where it cannot be told.
fn mode() -> Mode {
    let read = |of: &str| read_text(Call::ReadHugePageMode, &format!("{TRANSPARENT}/{of}enabled")).ok();
    let own = read(&format!("hugepages-{}kB/", HUGE_PAGE >> 10)).filter(|text| !text.contains("[inherit]"));
    own.or_else(|| read("")).map_or(Mode::Never, |text| parse_mode(&text))
}

fn parse_mode(text: &str) -> Mode {
    match text.split_ascii_whitespace().find(|word| word.starts_with('[')) {
        Some("[always]") => Mode::Always,
        Some("[madvise]") => Mode::Advised,
        _ => Mode::Never,
    }
}

/// The same with a mode, by the mappings that `visit` gives.
fn wanted(
    mode: Mode,
    ranges: &[Range<usize>],
    visit: impl FnOnce(usize, &mut dyn FnMut(&Described)) -> io::Result<()>,
) -> io::Result<Vec<bool>> {
    let end = ranges.last().map_or(0, |range| range.end);
    let mut wanted = vec![true; ranges.len()];
    // How far each range is known.
    let mut known: Vec<usize> = ranges.iter().map(|range| range.start).collect();
    visit(end, &mut |mapping| {
        let mapped = &mapping.range;
        // A mapping with no room for one is never eligible, as the first part of memory that is registered in parts.
        let has_room = mapped.start.next_multiple_of(HUGE_PAGE) + HUGE_PAGE <= mapped.end;
        let is_eligible = mapping.may_be_huge || !has_room;
        let is_asked = match mode {
            Mode::Always => !mapping.has("nh"),
            Mode::Advised => mapping.has("hg"),
            Mode::Never => false,
        };
        for (index, range) in ranges.iter().enumerate() {
            if mapped.start < range.end && range.start < mapped.end {
                wanted[index] &= is_asked && is_eligible && mapped.start <= known[index];
                known[index] = mapped.end;
            }
        }
    })?;
    Ok((0..ranges.len()).map(|index| wanted[index] && known[index] >= ranges[index].end).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_says_when() {
        assert_eq!(parse_mode("[always] madvise never\n"), Mode::Always);
        assert_eq!(parse_mode("always [madvise] never\n"), Mode::Advised);
        assert_eq!(parse_mode("always inherit madvise [never]\n"), Mode::Never);
        assert_eq!(parse_mode(""), Mode::Never);
    }

    const SMAPS: &str = "\
1000-3000 rw-p 00000000 00:00 0 
Size:                  8 kB
THPeligible:           1
VmFlags: rd wr mr mw me ac hg 
3000-4000 rw-p 00000000 00:00 0    [anon:A-B]
THPeligible:           1
VmFlags: rd wr mr mw me ac 
4000-5000 rw-p 00000000 00:00 0 
VmFlags: rd wr mr mw me ac nh 
6000-7000 rw-p 00000000 00:00 0 
THPeligible:           0
VmFlags: rd wr mr mw me ac hg 
7000-8000 rw-p 00000000 00:00 0 
VmFlags: rd wr mr mw me ac hg 
200000-400000 rw-p 00000000 00:00 0 
THPeligible:           0
VmFlags: rd wr mr mw me ac hg 
";

    fn all_wanted(mode: Mode, ranges: &[Range<usize>]) -> Vec<bool> {
        wanted(mode, ranges, |end, visit| smaps::parse(SMAPS.as_bytes(), end, visit)).unwrap()
    }

    fn is_wanted(mode: Mode, range: Range<usize>) -> bool {
        all_wanted(mode, &[range])[0]
    }

    #[test]
    fn the_memory_says_whether() {
        for (range, advised, always) in [
            (0x1000..0x3000, true, true),
            (0x2000..0x3000, true, true),
            (0x1000..0x4000, false, true),
            (0x3000..0x4000, false, true),
            (0x4000..0x5000, false, false),
            (0x3000..0x5000, false, false),
            // In which there is no room for one.
            (0x6000..0x7000, true, true),
            (0x6000..0x8000, true, true),
            // Which the process refuses, say.
            (0x200000..0x400000, false, false),
        ] {
            assert_eq!(is_wanted(Mode::Advised, range.clone()), advised, "{range:x?}");
            assert_eq!(is_wanted(Mode::Always, range.clone()), always, "{range:x?}");
        }
        let ranges = [0x1000..0x2000, 0x3000..0x4000, 0x7000..0x8000];
        assert_eq!(all_wanted(Mode::Advised, &ranges), [true, false, true]);
    }

    #[test]
    fn what_is_not_listed_is_not_wanted() {
        for range in [0x0..0x2000, 0x5000..0x6000, 0x7000..0x9000, 0x9000..0xa000] {
            assert!(!is_wanted(Mode::Always, range.clone()), "{range:x?}");
        }
    }
}
