//! What was asked of the kernel for memory (mmap, madvise), so that a mapping in its place can be asked the same.

use std::ops::Range;

use nix::sys::mman::{MmapAdvise, ProtFlags};

use super::smaps::{self, Described};
use crate::error::{Error, Result, ensure, error};

/// What was asked for a mapping of the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Where it is, as far as it lies in the memory that was looked at.
    pub range: Range<usize>,
    pub(super) protection: ProtFlags,
    /// Memory for it is not reserved (MAP_NORESERVE).
    pub(super) no_reserve: bool,
    pub(super) advice: Vec<MmapAdvise>,
}

/// Flags of /proc/PID/smaps that say what a mapping is or may become, and nothing that was asked for it.
const OF_ITSELF: &[&str] = &["rd", "wr", "ex", "mr", "mw", "me", "ac", "nr", "sd"];

/// Advice, by its flag.
const ADVICE: &[(&str, MmapAdvise)] = &[
    ("rr", MmapAdvise::MADV_RANDOM),
    ("sr", MmapAdvise::MADV_SEQUENTIAL),
    ("dc", MmapAdvise::MADV_DONTFORK),
    ("dd", MmapAdvise::MADV_DONTDUMP),
    ("mg", MmapAdvise::MADV_MERGEABLE),
    ("hg", MmapAdvise::MADV_HUGEPAGE),
    ("nh", MmapAdvise::MADV_NOHUGEPAGE),
];

/// What was asked for memory, mapping by mapping; an error if there is something that another mapping cannot be asked.
pub(crate) fn asked_for(memory: &Range<usize>) -> Result<Vec<Asked>> {
    let (mut all, mut known) = (Vec::new(), memory.start);
    let visited = smaps::visit(memory.end, |mapping| {
        let range = mapping.range.start.max(memory.start)..mapping.range.end.min(memory.end);
        if !range.is_empty() {
            known = if range.start == known { range.end } else { known };
            all.push(asked(mapping, range));
        }
    });
    visited.map_err(|error| Error::io(&error, "reading /proc/thread-self/smaps"))?;
    ensure!(known == memory.end, EOPNOTSUPP, "/proc/thread-self/smaps does not list all of it");
    all.into_iter().collect()
}

fn asked(mapping: &Described, range: Range<usize>) -> Result<Asked> {
    ensure!(mapping.key == 0, EOPNOTSUPP, "it has a protection key (pkey_mprotect)");
    let mut advice = Vec::new();
    for flag in mapping.flags().filter(|flag| !OF_ITSELF.contains(flag)) {
        let known = ADVICE.iter().find(|(name, _)| *name == flag);
        let (_, known) = known.ok_or_else(|| match flag {
            "lo" | "lf" => error!(EOPNOTSUPP, "it is locked in memory (mlock)"),
            "um" | "uw" | "ui" => error!(EOPNOTSUPP, "it is registered with a userfaultfd"),
            _ => error!(EOPNOTSUPP, "its flag '{flag}' in /proc/self/smaps is not known"),
        })?;
        advice.push(*known);
    }
    let protection = [("rd", ProtFlags::PROT_READ), ("wr", ProtFlags::PROT_WRITE), ("ex", ProtFlags::PROT_EXEC)];
    let protection = protection.into_iter().filter(|(flag, _)| mapping.has(flag)).map(|(_, protection)| protection);
    Ok(Asked { range, protection: protection.collect(), no_reserve: mapping.has("nr"), advice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Mapping, page_size};
    use nix::sys::mman::{madvise, mprotect};
    use std::ptr::NonNull;

    #[test]
    fn advice_is_found_and_what_cannot_be_asked_again_is_refused() {
        let page = page_size();
        let memory = Mapping::new(4 * page, "a test").unwrap();
        let at = |number: usize| NonNull::new(memory.as_ptr().wrapping_add(number * page).cast()).unwrap();
        let start = memory.as_ptr().addr();
        // SAFETY: advice for a mapping of our own, whose contents stay.
        unsafe {
            madvise(at(1), 2 * page, MmapAdvise::MADV_DONTDUMP).unwrap();
            madvise(at(2), page, MmapAdvise::MADV_DONTFORK).unwrap();
        }
        let asked = || asked_for(&(start..start + 3 * page));
        let advice: Vec<_> = asked().unwrap().into_iter().map(|asked| asked.advice).collect();
        let [dump, fork] = [MmapAdvise::MADV_DONTDUMP, MmapAdvise::MADV_DONTFORK];
        assert!(advice[1..] == [vec![dump], vec![fork, dump]] || advice[1..] == [vec![dump], vec![dump, fork]]);
        assert!(advice[0].is_empty(), "{advice:?}");
        // SAFETY: as above; wiping it in a child changes nothing here.
        unsafe { madvise(at(1), page, MmapAdvise::MADV_WIPEONFORK).unwrap() };
        assert_eq!(asked().unwrap_err().message(), "its flag 'wf' in /proc/self/smaps is not known");
        assert!(asked_for(&(start + 2 * page..start + 3 * page)).is_ok());
    }

    #[test]
    fn protection_is_found() {
        let page = page_size();
        let memory = Mapping::new(page, "a test").unwrap();
        let (start, pointer) = (memory.as_ptr().addr(), NonNull::new(memory.as_ptr().cast()).unwrap());
        let protection = || asked_for(&(start..start + page)).unwrap()[0].protection;
        assert_eq!(protection(), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
        // SAFETY: nothing accesses it meanwhile.
        unsafe { mprotect(pointer, page, ProtFlags::PROT_NONE).unwrap() };
        assert_eq!(protection(), ProtFlags::PROT_NONE);
    }
}
