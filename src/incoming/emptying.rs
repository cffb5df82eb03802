//! Emptying the RAM for a load, so that every page of it is missing. Long runs that the load knows to be zeros, in memory that
//! the kernel fills with zeros by itself, are not registered, and count as received.

use std::cmp::Reverse;
use std::ops::Range;

use crate::engine::Registration;
use crate::error::{Result, ensure};
use crate::kernel::{HUGE_PAGE, Maps, empty_memory, is_locked, most_mappings};
use crate::loading::SnapshotLoad;
use crate::memory::BlockTable;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// This many runs of zeros stay unregistered at most: each takes up to two mappings more.
const MOST_RUNS: usize = 4096;

/// The runs of zeros that stay unregistered in RAM that is going to be emptied, for each block: offsets in ascending order, whole
/// huge pages in private anonymous memory. The longest runs, and no more than for half of the mappings that the process may still
/// have.
pub(super) fn unregistered_zero_runs(
    table: &BlockTable,
    maps: &Maps,
    load: &SnapshotLoad,
    is_to_be_mapped: impl Fn(usize) -> bool,
) -> Vec<Box<[Range<usize>]>> {
    let mut runs = Vec::new();
    for (index, block) in table.blocks().iter().enumerate() {
        if !is_to_be_mapped(index)
            && block.page_size() <= HUGE_PAGE
            && maps.are_private_anonymous(block.host(), block.length())
        {
            let zeros =
                load.long_zero_runs(index).into_iter().filter_map(|zeros| whole_huge_pages(block.host(), zeros));
            runs.extend(zeros.map(|zeros| (index, zeros)));
        }
    }
    let most = if runs.is_empty() { 0 } else { most_runs(maps) };
    let longest = longest(runs, most);
    (0..table.blocks().len())
        .map(|index| longest.iter().filter(|(other, _)| *other == index).map(|(_, zeros)| zeros.clone()).collect())
        .collect()
}

fn most_runs(maps: &Maps) -> usize {
    most_mappings().map_or(MOST_RUNS, |most| MOST_RUNS.min(most.saturating_sub(maps.count()) / 4))
}

/// The longest runs, as many as that, in the order of before.
fn longest(mut runs: Vec<(usize, Range<usize>)>, most: usize) -> Vec<(usize, Range<usize>)> {
    if runs.len() > most {
        runs.sort_unstable_by_key(|(_, run)| Reverse(run.len()));
        runs.truncate(most);
        runs.sort_unstable_by_key(|(index, run)| (*index, run.start));
    }
    runs
}

/// Empties the RAM. It is registered, so that nothing can touch it in between and make zeros of what is none; and first of
/// all it is certain that all of it can be emptied. `has_begun` from then on: partly emptied RAM is of no use.
pub(super) fn empty(
    registration: &Registration,
    table: &BlockTable,
    maps: &Maps,
    has_begun: &AtomicBool,
) -> Result<()> {
    // Others are emptied as they are mapped.
    let copied = || table.blocks().iter().enumerate().filter(|(index, _)| !registration.of(*index).mapped);
    for (index, block) in copied() {
        // hugetlbfs is locked by nature, and can be emptied.
        let locked = registration.of(index).zeropage && is_locked(block.host(), block.length())?;
        ensure!(!locked, EINVAL, "{block} cannot be emptied for a load: it is locked in memory (mlock)");
        ensure!(
            maps.cover(block.host(), block.length()),
            EOPNOTSUPP,
            "{block} cannot be emptied for a load: /proc/thread-self/maps does not list all of it; mount the /proc of this system"
        );
        maps.check_files(block.host(), block.length()).map_err(|error| error.context(block))?;
    }
    has_begun.store(true, SeqCst);
    copied().try_for_each(|(index, block)| {
        for part in maps.parts(block.host(), block.length()) {
            // SAFETY: the mapping is as the contract of `add_ram_block` says, and its caller asks for a load, which replaces its contents.
            unsafe { empty_memory(part.start, part.len()) }.map_err(|error| error.context(block))?;
        }
        block.forget_pages();
        for zeros in &registration.of(index).unregistered_zero_runs {
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
    fn the_longest_runs_are_taken() {
        let runs = vec![(0, 0..3), (0, 10..14), (1, 0..1), (1, 5..10), (2, 7..9)];
        assert_eq!(longest(runs.clone(), 5), runs);
        assert_eq!(longest(runs.clone(), 3), [(0, 0..3), (0, 10..14), (1, 5..10)]);
        assert_eq!(longest(runs, 0), []);
    }

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
