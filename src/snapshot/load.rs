//! Restoring RAM from a snapshot: pages on demand, and the rest in the background.

use std::sync::{Arc, OnceLock};

use super::block::Kind;
use super::file::Snapshot;
use super::loader::{UNIT, Units};
use crate::error::{Result, ensure, error};
use crate::incoming::{Config, Engine, Fault, Filling, Incoming, Load, PageHandler, Plan};
use crate::kernel::Mapping;
use crate::memory::BlockTable;

/// How to restore RAM.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Do not empty the RAM first: pages that are present win over the snapshot's.
    pub keep_present: bool,
    /// Load what nobody asks for, too.
    pub background: bool,
    /// How many threads load in the background. 0: one.
    pub loader_threads: u32,
    /// How many temporary pages to allocate for the caller's own use. 0: one.
    pub channels: u32,
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self { keep_present: false, background: true, loader_threads: 0, channels: 0 }
    }
}

/// Empties the RAM, arms the incoming side with the snapshot as the source of pages, and starts loading. Returns before
/// all is loaded: see [`Incoming::wait`].
///
/// The blocks are matched by name, and both sides must have the same ones with the same lengths, or nothing is changed.
pub fn load(incoming: &Arc<Incoming>, snapshot: &Arc<Snapshot>, config: &LoadConfig) -> Result<()> {
    ensure!(
        config.loader_threads <= Config::MOST_THREADS,
        EINVAL,
        "{} loader threads are more than {}",
        config.loader_threads,
        Config::MOST_THREADS
    );
    let threads = if config.background { config.loader_threads.max(1) as usize } else { 0 };
    let keep_present = config.keep_present;
    let load = Arc::new(SnapshotLoad { snapshot: snapshot.clone(), keep_present, threads, prepared: OnceLock::new() });
    incoming.arm(&Plan {
        handler: load.clone(),
        channels: config.channels.max(1),
        preempt: false,
        // Kept if the configuration asks for it.
        blocktime: true,
        load: Some(load),
    })
}

/// A load under way.
pub(super) struct SnapshotLoad {
    snapshot: Arc<Snapshot>,
    keep_present: bool,
    threads: usize,
    prepared: OnceLock<Prepared>,
}

/// What depends on the RAM blocks.
struct Prepared {
    /// For each RAM block, by its index in the table: which of the snapshot's it is.
    sources: Box<[usize]>,
    /// Where each worker puts pages together.
    buffers: Box<[Mapping]>,
    units: Units,
}

impl SnapshotLoad {
    fn prepared(&self) -> Result<&Prepared> {
        self.prepared.get().ok_or_else(|| error!(ENOTRECOVERABLE, "a load was not prepared"))
    }

    /// Places pages of a block, none of which was received yet, as far as anyone knows.
    pub(super) fn place(&self, engine: &Engine, worker: usize, index: usize, from: usize, to: usize) -> Result<()> {
        let Prepared { sources, buffers, .. } = self.prepared()?;
        let (source, buffer) = (sources[index], &buffers[worker]);
        let block = engine.block(index);
        let page_size = block.page_size();
        let most = buffer.len() / page_size;
        let mut page = from;
        while page < to {
            let offset = block.offset_of(page) as u64;
            let run = self.snapshot.run(source, offset, block.offset_of(to - page) as u64);
            let whole = block.page_of(run.length as usize);
            let next = if run.kind == Kind::Zero && whole > 0 {
                engine.place(index, page..page + whole, Filling::Zeros)?;
                page + whole
            } else {
                // A host page can hold target pages of both kinds.
                let pages = (run.length as usize).div_ceil(page_size).min(most);
                // SAFETY: each worker has a buffer to itself, and it has room for `most` pages.
                unsafe { self.snapshot.read(source, offset, buffer.as_ptr(), pages * page_size) }?;
                engine.place(index, page..page + pages, Filling::Bytes(buffer.as_ptr()))?;
                page + pages
            };
            page = next;
        }
        Ok(())
    }

    pub(super) fn units(&self) -> Result<&Units> {
        self.prepared().map(|prepared| &prepared.units)
    }
}

impl PageHandler for SnapshotLoad {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        self.place(fault.engine(), fault.worker(), fault.index(), fault.page(), fault.page() + 1)
    }
}

impl Load for SnapshotLoad {
    fn prepare(&self, table: &BlockTable, fault_threads: usize) -> Result<()> {
        let sources = match_blocks(&self.snapshot, table)?;
        let page = table.largest_page_size();
        let fault_buffers = (0..fault_threads).map(|_| Mapping::new(page, "a fault thread's page"));
        let loader_buffers = (0..self.threads).map(|_| Mapping::new(page.max(UNIT), "a loader thread's pages"));
        let buffers = fault_buffers.chain(loader_buffers).collect::<Result<_>>()?;
        let prepared = Prepared { sources, buffers, units: Units::new(table) };
        self.prepared.set(prepared).map_err(|_| error!(ENOTRECOVERABLE, "a load was prepared twice"))
    }

    fn keeps_present(&self) -> bool {
        self.keep_present
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn run(&self, engine: &Engine, worker: usize) {
        super::loader::run(self, engine, worker);
    }
}

/// Which of the snapshot's blocks each RAM block is. They have to be the same on both sides.
fn match_blocks(snapshot: &Snapshot, table: &BlockTable) -> Result<Box<[usize]>> {
    let name = snapshot.name();
    for held in snapshot.blocks() {
        ensure!(
            table.blocks().iter().any(|block| block.idstr() == held.idstr()),
            EINVAL,
            "snapshot {name} has a RAM block '{}' of {:#x} bytes that this machine does not have",
            held.idstr(),
            held.length()
        );
    }
    let matched = table.blocks().iter().map(|block| {
        let source = snapshot.blocks().iter().position(|held| held.idstr() == block.idstr());
        let source = source.ok_or_else(|| error!(EINVAL, "{block} is not in snapshot {name}"))?;
        let held = snapshot.blocks()[source].length();
        ensure!(
            held == block.length() as u64,
            EINVAL,
            "{block} has {:#x} bytes, and snapshot {name} holds {held:#x} of it",
            block.length()
        );
        Ok(source)
    });
    matched.collect()
}
