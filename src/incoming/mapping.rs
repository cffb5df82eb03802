//! RAM that becomes a private mapping of the snapshot's file: which blocks can, the change itself, and taking it back.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::engine::{Callbacks, LogLevel};
use crate::error::{Result, ensure, error};
use crate::kernel::file::FileId;
use crate::kernel::{
    Asked, Maps, Numa, asked_for, can_map_privately, empty_memory, map_file_in_place, map_zeros_in_place,
    most_mappings, page_size,
};
use crate::loading::SnapshotLoad;
use crate::memory::{BlockTable, RamBlock};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// What a block is to be mapped from.
pub(super) struct Mappable {
    /// What was asked for its memory, mapping by mapping.
    asked: Vec<Asked>,
    /// Which offsets hold data.
    data: Vec<Range<usize>>,
    /// Where in the file its first byte is.
    start: u64,
}

/// The change, which dropping undoes unless it is kept: then all of the memory is anonymous, and empty.
pub(super) struct InPlace {
    done: Vec<(Range<usize>, Asked)>,
    files: Vec<FileId>,
    earlier: Arc<Earlier>,
    callbacks: Callbacks,
}

/// Memory that loads have mapped from the files of their snapshots.
#[derive(Default)]
pub(super) struct Earlier(Mutex<Vec<(Range<usize>, FileId)>>);

/// For each block how it can be mapped; a warning says why one cannot.
pub(super) fn mappable(
    table: &BlockTable,
    maps: &Maps,
    load: &SnapshotLoad,
    callbacks: &Callbacks,
) -> Vec<Option<Mappable>> {
    let file = load.file().ok_or_else(|| error!(EOPNOTSUPP, "the snapshot is not in a file"));
    if let Err(error) = file.and_then(can_map_privately) {
        callbacks
            .log(LogLevel::Warning, &format!("all RAM is loaded, and none mapped from the snapshot's file: {error}"));
        return table.blocks().iter().map(|_| None).collect();
    }
    // Each run of data takes up to two mappings more.
    let mut most_runs = most_mappings().map_or(usize::MAX, |most| most.saturating_sub(maps.count()) / 4);
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

fn check(
    block: &RamBlock,
    index: usize,
    maps: &Maps,
    load: &SnapshotLoad,
    numa: &Numa,
    most_runs: usize,
) -> Result<Mappable> {
    let (host, length) = (block.host(), block.length());
    let is_private = maps.cover(host, length) && maps.are_private_anonymous(host, length);
    ensure!(is_private, EOPNOTSUPP, "it is not private anonymous memory");
    let start = load.check_mappable(index, page_size() as u64)?;
    let asked = asked_for(&block.addresses())?;
    let anywhere = asked.iter().all(|asked| numa.allows_any_node(asked.range.start));
    ensure!(anywhere, EOPNOTSUPP, "it has a policy that names its NUMA nodes, which a file's pages do not follow");
    let data: Vec<_> = load.data_runs(index).take(most_runs.saturating_add(1)).collect();
    ensure!(
        data.len() <= most_runs,
        EOPNOTSUPP,
        "its data lies in more runs than the process may have mappings for: see the sysctl vm.max_map_count"
    );
    Ok(Mappable { asked, data, start })
}

impl InPlace {
    pub fn new(callbacks: Callbacks, earlier: Arc<Earlier>) -> Self {
        Self { done: Vec::new(), files: Vec::new(), earlier, callbacks }
    }

    /// What the file is called among the mappings of this process.
    pub fn add_file(&mut self, file: impl IntoIterator<Item = FileId>) {
        self.files.extend(file);
    }

    /// Empties a block, and maps its data.
    pub fn map(&mut self, block: &RamBlock, mappable: &Mappable, file: BorrowedFd<'_>) -> Result<()> {
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
                self.done.push((part.clone(), asked.clone()));
                // SAFETY: as above.
                unsafe { map_file_in_place(&part, asked, file, offset) }?;
            }
        }
        Ok(())
    }

    /// It is for good, until a load takes it back.
    pub fn keep(mut self) {
        let done = std::mem::take(&mut self.done);
        done.into_iter().for_each(|(memory, _)| self.earlier.add(&memory, &self.files));
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        for (memory, asked) in &self.done {
            // SAFETY: the caller's memory, whose contents it gave up, and that the change is about.
            if let Err(error) = unsafe { map_zeros_in_place(memory, asked) } {
                self.earlier.add(memory, &self.files);
                let message = format!("RAM at {:#x} stays a mapping of the snapshot's file: {error}", memory.start);
                self.callbacks.log(LogLevel::Error, &message);
            }
        }
    }
}

impl Earlier {
    fn add(&self, memory: &Range<usize>, files: &[FileId]) {
        self.0.lock().extend(files.iter().map(|file| (memory.clone(), *file)));
    }

    /// Makes RAM that a load has mapped anonymous, and empty; `has_begun` before anything is changed. Memory that has been mapped
    /// anew since is the caller's again, and stays as it is.
    pub fn take_back(&self, table: &BlockTable, has_begun: &AtomicBool) -> Result<()> {
        let mut earlier = self.0.lock();
        if earlier.is_empty() {
            return Ok(());
        }
        let maps = Maps::read()?;
        for block in table.blocks() {
            for part in maps.files(block.host(), block.length()).filter(|part| part.is_private) {
                let memory = part.memory();
                let is_same = |(known, file): &(Range<usize>, FileId)| {
                    known.start <= memory.start && memory.end <= known.end && *file == part.file
                };
                if earlier.iter().any(is_same) {
                    let asked = asked_for(&memory).map_err(|error| error.context(block))?;
                    has_begun.store(true, SeqCst);
                    for asked in asked {
                        // SAFETY: memory that a load has mapped in the place of the caller's, whose contents it gives up once more.
                        unsafe { map_zeros_in_place(&asked.range, &asked) }.map_err(|error| error.context(block))?;
                    }
                }
            }
            let is_there = |memory: &Range<usize>| memory.start < block.end() && block.host() < memory.end;
            earlier.retain(|(memory, _)| !is_there(memory));
        }
        Ok(())
    }
}
