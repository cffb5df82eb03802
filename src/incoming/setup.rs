//! The set-up, step by step: all or nothing. Each step's result undoes it when it is dropped, in the reverse order.

use std::mem;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread;

use super::armed::Armed;
use super::blocktime::Blocktime;
use super::callbacks::Callbacks;
use super::config::{Config, LogLevel};
use super::discards::{self, Discards};
use super::emptying;
use super::engine::Engine;
use super::fault::PageHandler;
use super::gate::Gate;
use super::load::Load;
use super::moving;
use super::registration::{Registration, Treatment};
use super::waits::Waits;
use super::{Incoming, Phase, Record, SETTING_UP};
use crate::error::{Result, ensure, error};
use crate::kernel::{self, EventFd, Maps, Opening, Userfaultfd};
use crate::memory::{BlockTable, TempPages};
use crate::stats::Stats;
use crate::sync::atomic::{AtomicBool, AtomicUsize};

/// What is to be set up.
pub(crate) struct Plan {
    pub handler: Arc<dyn PageHandler>,
    pub channels: u32,
    /// With a preempt thread.
    pub preempt: bool,
    /// With an account of blocktime, if the configuration asks for one.
    pub blocktime: bool,
    /// What restores all RAM, if the handler does.
    pub load: Option<Arc<dyn Load>>,
    /// It has begun to empty the RAM.
    pub has_emptied: AtomicBool,
}

impl Plan {
    /// The least there is.
    pub fn new(handler: Arc<dyn PageHandler>, channels: u32) -> Self {
        Self { handler, channels, preempt: false, blocktime: false, load: None, has_emptied: AtomicBool::new(false) }
    }

    /// How many threads load in the background.
    fn loader_threads(&self) -> usize {
        self.load.as_ref().map_or(0, |load| load.threads())
    }
}

impl Incoming {
    /// All steps up to an engine that serves, once its threads run. Nothing of it is left after a failure.
    pub(super) fn build_engine(self: &Arc<Self>, config: &Config, plan: &Plan) -> Result<Arc<Engine>> {
        let callbacks = Callbacks { hooks: config.hooks.clone(), owner: self.owner };
        ensure!(plan.channels > 0, EINVAL, "0 channels: at least one temporary page is needed");
        if callbacks.hooks.supplies_ram_blocks() {
            *self.phase.lock() = Phase::Listing;
            let listed = callbacks.fallible("the ram_blocks callback", |hooks| hooks.ram_blocks(self));
            *self.phase.lock() = Phase::Changing(SETTING_UP);
            listed?;
        }
        // One that is being removed by somebody else is as good as gone.
        let table = self.table.read().without_removed();
        ensure!(!table.blocks().is_empty(), EINVAL, "there is no RAM block to set up");
        if let Some(load) = &plan.load {
            load.prepare(&table, config.fault_threads())?;
        }

        let uffds = open_userfaultfds(config, &callbacks)?;
        uffds.iter().try_for_each(|uffd| uffd.handshake(config.track_discards))?;
        let discards = config.track_discards.then(|| Discards::new(uffds.len())).transpose()?;
        let wakers = uffds.iter().map(|_| EventFd::new()).collect::<Result<_>>()?;
        // Before the registration: temporary pages exist before the first fault can be delivered.
        let temp_pages = TempPages::new(plan.channels, table.largest_page_size())?;
        let emptying = plan.load.as_deref().filter(|load| !load.keeps_present());
        let maps = read_maps(config, plan, &table, &callbacks)?;
        if let (Some(load), Some(maps)) = (&plan.load, &maps) {
            load.check_apart(&table, maps)?;
        }
        let moves = emptying.is_some_and(|load| load.makes_huge_pages());
        let mut left_alone = match (emptying, &maps) {
            (Some(load), Some(maps)) => emptying::left_alone(&table, maps, load),
            _ => vec![Box::default(); table.blocks().len()],
        };
        let treatments = table.blocks().iter().enumerate().map(|(index, block)| {
            let shared = maps.as_ref().is_some_and(|maps| maps.are_shared(block.host(), block.length()));
            let maps = maps.as_ref().filter(|maps| maps.are_private_anonymous(block.host(), block.length()));
            let left_alone = mem::take(&mut left_alone[index]);
            Treatment { left_alone, poison: config.poison && maps.is_some(), shared, moving: moves && maps.is_some() }
        });
        let treatments = treatments.collect();
        let registration = Registration::new(uffds, table.clone(), treatments, callbacks.clone())?;
        if discards.is_some() {
            check_trackable(&registration, &table)?;
        }
        if let (Some(_), Some(maps)) = (emptying, &maps) {
            let empty = || emptying::empty(&registration, &table, maps, &plan.has_emptied);
            if discards.is_some() { discards::drain_events_during(registration.uffds(), empty) } else { empty() }?;
            moving::decide(&registration, &table, maps);
        }

        let record = Record::new(config, plan, &table);
        *self.record.lock() = record.clone();
        let engine = Engine {
            table,
            registration,
            temp_pages,
            handler: plan.handler.clone(),
            callbacks,
            waits: Waits::new(record.stats.clone(), record.blocktime),
            gate: record.gate,
            stats: record.stats,
            wakers,
            shared: self.shared.clone(),
            requested: AtomicUsize::new(0),
            load: plan.load.clone(),
            loaders: AtomicUsize::new(0),
            spin_us: config.spin_us,
            discards,
            cpus: thread::available_parallelism().map_or(1, NonZeroUsize::get),
        };
        if engine.discards.is_some() {
            // Their faults may have been read while the RAM was emptied.
            engine.wake_everybody();
        }
        Ok(Arc::new(engine))
    }

    /// The last steps: threads. Faults wait in the descriptor until they run.
    pub(super) fn start(self: &Arc<Self>, armed: &mut Armed, plan: &Plan) -> Result<()> {
        // First, and last to end: whatever is called back in between may discard.
        armed.start_events_thread(plan.loader_threads())?;
        armed.start_fault_threads()?;
        armed.callbacks().fallible("the setup_done callback", |hooks| hooks.setup_done(self))?;
        if let Some(load) = &plan.load {
            armed.start_loader_threads(load)?;
            armed.receive_zeros(load.as_ref());
        }
        if plan.preempt {
            armed.start_preempt_thread(self.clone())?;
        }
        Ok(())
    }
}

impl Record {
    fn new(config: &Config, plan: &Plan, table: &BlockTable) -> Self {
        let stats = Stats::default();
        if plan.load.is_some() {
            for block in table.blocks() {
                Stats::count(&stats.bytes_total, block.length() as u64);
                Stats::count(&stats.bytes_loaded, (block.received_pages() * block.page_size()) as u64);
            }
        }
        let workers = config.fault_threads() + plan.loader_threads() + usize::from(config.track_discards);
        Self {
            stats: Arc::new(stats),
            gate: Arc::new(Gate::new(workers)),
            blocktime: (plan.blocktime && config.blocktime).then(|| Arc::new(Blocktime::new(config.vcpus as usize))),
        }
    }
}

/// The kernel discards its own pages: where those of a block have another size, one could be discarded in part.
fn check_trackable(registration: &Registration, table: &BlockTable) -> Result<()> {
    table.blocks().iter().enumerate().try_for_each(|(index, block)| {
        let unit = registration.unit(index);
        ensure!(
            block.page_size() == unit,
            EINVAL,
            "{block}: discards are tracked in pages of {unit} bytes, and its page size is {}",
            block.page_size()
        );
        Ok(())
    })
}

/// The mappings of this process, where anything depends on them. Only emptying RAM cannot do without.
fn read_maps(config: &Config, plan: &Plan, table: &BlockTable, callbacks: &Callbacks) -> Result<Option<Maps>> {
    if plan.load.is_none() && !config.poison {
        // Where EEXIST is to be verified: see `presence`. Without the maps a page that only another mapping has counts as missing.
        let is_huge = table.largest_page_size() > kernel::page_size();
        return Ok(is_huge.then(Maps::read).and_then(Result::ok));
    }
    match (Maps::read(), &plan.load) {
        (Err(error), Some(load)) if error.errno() == libc::EOPNOTSUPP && !load.keeps_present() => {
            Err(error.context("emptying RAM for a load"))
        }
        (Err(error), _) if error.errno() == libc::EOPNOTSUPP => {
            if config.poison {
                callbacks.log(
                    LogLevel::Warning,
                    &format!(
                        "a page that cannot be read pauses the fault and loader threads, and is not poisoned: {error}"
                    ),
                );
            }
            Ok(None)
        }
        (maps, _) => maps.map(Some),
    }
}

/// One for each fault thread.
fn open_userfaultfds(config: &Config, callbacks: &Callbacks) -> Result<Box<[Userfaultfd]>> {
    let mut uffds = Vec::<Userfaultfd>::new();
    for _ in 0..config.fault_threads() {
        let uffd = open_userfaultfd(config, callbacks)?;
        let number = uffd.as_fd().as_raw_fd();
        if uffds.iter().any(|other| other.as_fd().as_raw_fd() == number) {
            // It has an owner, who will close it.
            mem::forget(uffd);
            return Err(error!(
                EINVAL,
                "the open_userfaultfd callback returned descriptor {number} twice: each fault thread needs its own"
            ));
        }
        uffds.push(uffd);
    }
    Ok(uffds.into())
}

fn open_userfaultfd(config: &Config, callbacks: &Callbacks) -> Result<Userfaultfd> {
    let handed_in: Option<OwnedFd> =
        callbacks.fallible("the open_userfaultfd callback", |hooks| hooks.open_userfaultfd().transpose())?;
    match handed_in {
        Some(fd) => Userfaultfd::from_fd(fd),
        None if config.user_mode_only => Userfaultfd::open(Opening::UserModeOnly),
        None => Userfaultfd::open(Opening::Full),
    }
}
