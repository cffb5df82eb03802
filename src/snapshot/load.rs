//! Restoring RAM from a snapshot: pages on demand, and the rest in the background.

use std::sync::{Arc, OnceLock};

use super::file::Snapshot;
use super::loader::{self, Units};
use super::pages::Pages;
use crate::error::{Result, ensure, error};
use crate::incoming::{Config, Engine, Fault, Incoming, Load, PageHandler, Plan};
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
    let plan = Plan {
        handler: load.clone(),
        channels: config.channels.max(1),
        preempt: false,
        // Kept if the configuration asks for it.
        blocktime: true,
        load: Some(load),
    };
    incoming.arm(|_| Ok(plan))
}

/// A load under way.
struct SnapshotLoad {
    snapshot: Arc<Snapshot>,
    keep_present: bool,
    threads: usize,
    /// What depends on the RAM blocks.
    prepared: OnceLock<(Pages, Units)>,
}

impl SnapshotLoad {
    fn prepared(&self) -> Result<&(Pages, Units)> {
        self.prepared.get().ok_or_else(|| error!(ENOTRECOVERABLE, "a load was not prepared"))
    }
}

impl PageHandler for SnapshotLoad {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        let (pages, _) = self.prepared()?;
        pages.place(fault.engine(), fault.worker(), fault.index(), fault.page()..fault.page() + 1)
    }
}

impl Load for SnapshotLoad {
    fn prepare(&self, table: &BlockTable, fault_threads: usize) -> Result<()> {
        let pages = Pages::new(self.snapshot.clone(), table, fault_threads, self.threads)?;
        let prepared = self.prepared.set((pages, Units::new(table)));
        prepared.map_err(|_| error!(ENOTRECOVERABLE, "a load was prepared twice"))
    }

    fn keeps_present(&self) -> bool {
        self.keep_present
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn run(&self, engine: &Engine, worker: usize) {
        if let Ok((pages, units)) = self.prepared() {
            loader::run(pages, units, engine, worker);
        }
    }
}
