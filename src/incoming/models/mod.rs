//! Models: the logic of pages, requests, pauses and the end of it all, in many orders of its threads' steps.

mod clients;
mod discards;
mod gate;
mod life;
mod pages;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::callbacks::{Callbacks, Owner};
use super::config::{Config, Event, Hooks, LogLevel};
use super::engine::{Engine, Removal};
use super::fault::{Fault, PageHandler};
use super::gate::Gate;
use super::load::Load;
use super::registration::{Registration, Treatment};
use super::waits::Waits;
use crate::error::Result;
use crate::kernel::{Mapping, Maps, Opening, Userfaultfd, page_size};
use crate::memory::{BlockId, BlockTable, RamBlock, RamBlockSpec, TempPages};
use crate::stats::Stats;
use crate::sync;

/// Counts what is told.
#[derive(Default)]
struct Told {
    pauses: AtomicUsize,
    completions: AtomicUsize,
}

impl Hooks for Told {
    fn event(&self, event: &Event) {
        match event {
            Event::Paused(_) => self.pauses.fetch_add(1, Relaxed),
            Event::Complete => self.completions.fetch_add(1, Relaxed),
            _ => 0,
        };
    }

    fn log(&self, _level: LogLevel, _message: &str) {}
}

/// RAM of so many blocks with so many pages. It is registered, and nobody touches it: models say which pages were.
struct Ram {
    _memory: Mapping,
    table: BlockTable,
}

impl Ram {
    fn new(blocks: usize, pages: usize) -> Self {
        let length = pages * page_size();
        let memory = Mapping::new(blocks * length, "RAM").unwrap();
        let mut table = BlockTable::default();
        for id in 0..blocks {
            let host = memory.as_ptr().addr() + id * length;
            let spec =
                RamBlockSpec { idstr: format!("ram{id}"), host, length: length as u64, page_size: page_size() as u64 };
            table.add(RamBlock::new(BlockId(id), spec).unwrap()).unwrap();
        }
        Self { _memory: memory, table }
    }

    fn engine(&self, workers: usize, handler: Arc<dyn PageHandler>, told: Arc<Told>, load: bool) -> Engine {
        let uffd = Userfaultfd::open(Opening::UserModeOnly).unwrap();
        uffd.handshake(false).unwrap();
        let callbacks = Callbacks { hooks: told, owner: Owner::new() };
        let treatments = self.table.blocks().iter().map(|_| Treatment::default()).collect();
        let registration = Registration::new([uffd].into(), self.table.clone(), treatments, callbacks.clone()).unwrap();
        let stats = Arc::new(Stats::default());
        Engine {
            table: self.table.clone(),
            registration,
            temp_pages: TempPages::new(1, page_size()).unwrap(),
            handler,
            callbacks,
            gate: Arc::new(Gate::new(workers)),
            waits: Waits::new(stats.clone(), None),
            stats,
            wakers: Box::default(),
            discards: None,
            shared: Arc::default(),
            requested: sync::atomic::AtomicUsize::new(0),
            load: load.then(|| Arc::new(NoLoad) as Arc<dyn Load>),
            loaders: sync::atomic::AtomicUsize::new(0),
            spin_us: 0,
            cpus: 1,
        }
    }
}

/// A load that others do.
struct NoLoad;

impl Load for NoLoad {
    fn prepare(&self, _table: &BlockTable, _fault_threads: usize) -> Result<()> {
        Ok(())
    }
    fn check_apart(&self, _table: &BlockTable, _maps: &Maps) -> Result<()> {
        Ok(())
    }
    fn keeps_present(&self) -> bool {
        true
    }
    fn makes_huge_pages(&self) -> bool {
        false
    }
    fn zeros(&self, _index: usize) -> Vec<std::ops::Range<usize>> {
        Vec::new()
    }
    fn queued(&self, _index: usize, _page: usize) {}
    fn threads(&self) -> usize {
        0
    }
    fn run(&self, _engine: &Engine, _worker: usize) {}
    fn finish(&self, _engine: &Engine) {}
}

/// Asks for nothing.
struct Nobody;

impl PageHandler for Nobody {
    fn page(&self, _fault: &Fault<'_>) -> Result<()> {
        Ok(())
    }
}
