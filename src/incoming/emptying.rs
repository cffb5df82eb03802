//! Emptying the RAM for a load, so that every page of it is missing. What the load knows to be zeros, and the kernel fills
//! with zeros by itself, is left to the kernel: it is not registered, and counts as received.

use std::ops::Range;

use super::load::Load;
use super::registration::Registration;
use crate::error::{Result, ensure};
use crate::kernel::{HUGE_PAGE, Maps, empty_memory, is_locked};
use crate::memory::{BlockTable, RamBlock};
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A block is left alone in this many places at most: each costs two mappings more.
const MOST_PLACES: usize = 512;

/// What is not to be registered of a block of private anonymous memory that is going to be emptied: offsets in ascending
/// order, whole huge pages of zeros.
pub(super) fn left_alone(block: &RamBlock, index: usize, load: &dyn Load) -> Box<[Range<usize>]> {
    if block.page_size() > HUGE_PAGE {
        return Box::default();
    }
    let least = HUGE_PAGE.max(block.length() / MOST_PLACES);
    let zeros = load.zeros(index).into_iter().filter_map(|zeros| whole_huge_pages(block.host(), zeros));
    zeros.filter(|zeros| zeros.len() >= least).collect()
}

/// Empties the RAM. It is registered, so that nothing can touch it in between and make zeros of what is none; and first of
/// all it is certain that all of it can be emptied. `has_begun` from then on: partly emptied RAM is of no use.
pub(super) fn empty(
    registration: &Registration,
    table: &BlockTable,
    maps: &Maps,
    has_begun: &AtomicBool,
) -> Result<()> {
    for (index, block) in table.blocks().iter().enumerate() {
        // hugetlbfs is locked by nature, and can be emptied.
        let locked = registration.has_zeropage(index) && is_locked(block.host(), block.length())?;
        ensure!(!locked, EINVAL, "{block} cannot be emptied for a load: it is locked in memory (mlock)");
        ensure!(
            maps.cover(block.host(), block.length()),
            EOPNOTSUPP,
            "{block} cannot be emptied for a load: /proc/thread-self/maps does not list all of it; mount the /proc of this system"
        );
        let empty = maps.check_private_files_are_empty(block.host(), block.length());
        empty.map_err(|error| error.context(block))?;
    }
    has_begun.store(true, SeqCst);
    table.blocks().iter().enumerate().try_for_each(|(index, block)| {
        for part in maps.parts(block.host(), block.length()) {
            // SAFETY: the caller of `add_ram_block` vouched for the mapping, and asks for a load, which replaces its contents.
            unsafe { empty_memory(part.start, part.len()) }.map_err(|error| error.context(block))?;
        }
        block.forget_pages();
        for zeros in registration.left_alone(index) {
            block.receive(block.page_of(zeros.start)..block.page_of(zeros.end), |_, _| ());
        }
        Ok(())
    })
}

/// The whole huge pages in a range of offsets of the memory at `host`, if there are any.
fn whole_huge_pages(host: usize, range: Range<usize>) -> Option<Range<usize>> {
    let start = (host + range.start).next_multiple_of(HUGE_PAGE) - host;
    let end = ((host + range.end) / HUGE_PAGE * HUGE_PAGE).checked_sub(host)?;
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_huge_pages_count() {
        let huge = HUGE_PAGE;
        assert_eq!(whole_huge_pages(huge, 0..3 * huge), Some(0..3 * huge));
        assert_eq!(whole_huge_pages(huge, 1..3 * huge - 1), Some(huge..2 * huge));
        assert_eq!(whole_huge_pages(huge, 1..2 * huge - 1), None);
        assert_eq!(whole_huge_pages(huge + 4096, 0..2 * huge), Some(huge - 4096..2 * huge - 4096));
        assert_eq!(whole_huge_pages(huge + 4096, 0..4096), None);
    }
}
