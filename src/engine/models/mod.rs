//! Models: the logic of pages, requests, pauses and the end of it all, in many orders of its threads' steps.

mod clients;
mod discards;
mod gate;
mod lane;
mod pages;
mod waker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::account::{Account, Record, Removal};
use super::callbacks::{Callbacks, Owner};
use super::discards::Discards;
use super::engine::Engine;
use super::fault::{FaultServer, PageFault, Wait};
pub(crate) use super::gate::Gate;
use super::hooks::{Event, Hooks, LogLevel};
use super::registration::{Registration, Treatment};
use super::shared::SharedFds;
use super::waker::Waker;
use crate::error::Result;
use crate::kernel::{Mapping, Opening, Userfaultfd, page_size};
use crate::memory::{BlockId, BlockTable, RamBlock, RamBlockSpec, TempPages};

/// Counts what is told.
#[derive(Default)]
pub(crate) struct Told {
    pauses: AtomicUsize,
    pub completions: AtomicUsize,
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

/// RAM of so many blocks with so many pages. It is registered, and never touched: models say which pages were.
pub(crate) struct Ram {
    _memory: Mapping,
    pub table: BlockTable,
}

impl Ram {
    pub fn new(blocks: usize, pages: usize) -> Self {
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

    /// An engine of this RAM, for a load or not.
    pub fn engine(&self, told: Arc<Told>, is_load: bool) -> Engine {
        let callbacks = Callbacks { hooks: told, owner: Owner::new() };
        self.engine_with(callbacks, Record::new(None).unwrap(), Arc::default(), is_load, None)
    }

    /// One that tracks discards. The kernel does not tell of them: models do.
    pub fn tracking_engine(&self) -> Engine {
        let callbacks = Callbacks { hooks: Arc::new(Told::default()), owner: Owner::new() };
        let discards = Some(Discards::new(1).unwrap());
        self.engine_with(callbacks, Record::new(None).unwrap(), Arc::default(), false, discards)
    }

    pub fn engine_with(
        &self,
        callbacks: Callbacks,
        record: Record,
        shared: Arc<SharedFds>,
        is_load: bool,
        discards: Option<Discards>,
    ) -> Engine {
        let uffd = Userfaultfd::open(Opening::UserModeOnly).unwrap();
        uffd.handshake(false).unwrap();
        let treatments = self.table.blocks().iter().map(|_| Treatment::default()).collect();
        let registration = Registration::new([uffd].into(), self.table.clone(), treatments, callbacks.clone()).unwrap();
        let account = Account::new(self.table.clone(), callbacks, record, shared, is_load);
        let temp_pages = TempPages::new(1, page_size()).unwrap();
        Engine::new(account, registration, temp_pages, [Waker::new(None).unwrap()].into(), discards, Duration::ZERO)
    }
}

/// A server that is only a function.
struct Serves<F>(F);

impl<F: FnMut(&Engine, &PageFault) -> Result<()> + Send> FaultServer for Serves<F> {
    fn serve(&mut self, engine: &Engine, fault: &PageFault, _wait: Wait) -> Result<bool> {
        (self.0)(engine, fault).map(|()| true)
    }
}

/// Sets out to have pages placed, by the other threads of a model.
fn later(_engine: &Engine, _fault: &PageFault) -> Result<()> {
    Ok(())
}

/// Has the page placed at once.
fn now(engine: &Engine, fault: &PageFault) -> Result<()> {
    engine.account().receive(fault.index, fault.page..fault.page + 1);
    Ok(())
}
