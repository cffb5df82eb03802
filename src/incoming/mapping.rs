//! RAM that becomes a private mapping of the snapshot's file: which blocks can, and the change itself.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use crate::engine::{Callbacks, LogLevel};
use crate::error::{Result, ensure};
use crate::kernel::{
    Asked, Maps, Numa, ask_again, asked_for, can_map_privately, empty_memory, is_born_locked, map_file_in_place,
    map_zeros_in_place, most_mappings, page_size,
};
use crate::loading::SnapshotLoad;
use crate::memory::{BlockTable, RamBlock};

/// What a block is to be mapped from.
pub(super) struct Mappable<'a> {
    /// What was asked for its memory, mapping by mapping.
    asked: Vec<Asked>,
    /// Which offsets hold data.
    data: Vec<Range<usize>>,
    file: BorrowedFd<'a>,
    /// Where in the file its first byte is.
    start: u64,
}

/// The change, which dropping undoes unless it is kept: then all of the memory is anonymous, and empty.
pub(super) struct InPlace {
    done: Vec<(Range<usize>, Asked)>,
    callbacks: Callbacks,
}

/// For each block how it can be mapped; a warning says why one cannot.
pub(super) fn mappable<'a>(
    table: &BlockTable,
    maps: &Maps,
    load: &'a SnapshotLoad,
    callbacks: &Callbacks,
) -> Vec<Option<Mappable<'a>>> {
    if let Err(error) = check_process() {
        callbacks
            .log(LogLevel::Warning, &format!("all RAM is loaded, and none mapped from the snapshot's file: {error}"));
        return Vec::new();
    }
    // Each run of data takes up to two mappings more. No more than a quarter of what is left: runs of zeros take up to half of it.
    let mut most_runs = most_mappings().map_or(usize::MAX, |most| most.saturating_sub(maps.count()) / 8);
    let numa = Numa::new();
    let blocks = table.blocks().iter().enumerate().map(|(index, block)| {
        let found = check(block, index, maps, load, &numa, most_runs);
        let found = found.map_err(|error| {
            let message = format!("{block} is loaded, and not mapped from the snapshot's file: {error}");
            callbacks.log(LogLevel::Warning, &message);
        });
        found.ok().inspect(|found| most_runs -= found.data.len())
    });
    blocks.collect()
}

/// Whether mappings of this process stay out of memory until they are touched.
fn check_process() -> Result<()> {
    ensure!(!is_born_locked()?, EOPNOTSUPP, "new mappings of this process are locked in memory (mlockall)");
    Ok(())
}

fn check<'a>(
    block: &RamBlock,
    index: usize,
    maps: &Maps,
    load: &'a SnapshotLoad,
    numa: &Numa,
    most_runs: usize,
) -> Result<Mappable<'a>> {
    let (host, length) = (block.host(), block.length());
    let is_private = maps.cover(host, length) && maps.are_private_anonymous(host, length);
    ensure!(is_private, EOPNOTSUPP, "it is not private anonymous memory");
    let (file, start) = load.place_in_file(index, page_size() as u64)?;
    let asked = asked_for(&block.addresses())?;
    asked.iter().try_for_each(|asked| can_map_privately(file, asked))?;
    let anywhere = asked.iter().all(|asked| numa.allows_any_node(asked.range.start));
    ensure!(anywhere, EOPNOTSUPP, "it has a policy that names its NUMA nodes, which a file's pages do not follow");
    let data: Vec<_> = load.data_runs(index).take(most_runs.saturating_add(1)).collect();
    ensure!(
        data.len() <= most_runs,
        EOPNOTSUPP,
        "its data lies in more runs than the process may have mappings for: see the sysctl vm.max_map_count"
    );
    Ok(Mappable { asked, data, file, start })
}

impl InPlace {
    pub fn new(callbacks: Callbacks) -> Self {
        Self { done: Vec::new(), callbacks }
    }

    /// Empties a block, and maps its data.
    pub fn map(&mut self, block: &RamBlock, mappable: &Mappable<'_>) -> Result<()> {
        for asked in &mappable.asked {
            // SAFETY: the mapping is as the contract of `add_ram_block` says, and its caller asks for a load, which replaces its
            // contents.
            unsafe { empty_memory(asked.range.start, asked.range.len()) }?;
        }
        for data in &mappable.data {
            let run = block.host() + data.start..block.host() + data.end;
            // It may lie across mappings of which different things were asked.
            let first = mappable.asked.partition_point(|asked| asked.range.end <= run.start);
            for asked in mappable.asked[first..].iter().take_while(|asked| asked.range.start < run.end) {
                let part = run.start.max(asked.range.start)..run.end.min(asked.range.end);
                let offset = mappable.start + (part.start - block.host()) as u64;
                // SAFETY: as above.
                unsafe { map_file_in_place(&part, asked, mappable.file, offset) }?;
                self.done.push((part.clone(), asked.clone()));
                ask_again(&part, asked)?;
            }
        }
        Ok(())
    }

    /// It is for good.
    pub fn keep(mut self) {
        self.done.clear();
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        for (memory, asked) in &self.done {
            // SAFETY: the caller's memory, whose contents it gave up, and that the change is about.
            let undone = unsafe { map_zeros_in_place(memory, asked) };
            if let Err(error) = undone.and_then(|()| ask_again(memory, asked)) {
                let message = format!("RAM at {:#x} stays a mapping of the snapshot's file: {error}", memory.start);
                self.callbacks.log(LogLevel::Error, &message);
            }
        }
    }
}
