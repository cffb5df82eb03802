//! The life of an incoming side: attached, armed, attached again, retired.

use std::sync::Arc;

use super::armed::Armed;
use super::config::Config;
use super::setup::{self, Bringer, Plan, Site, Work};
use crate::engine::{AddRamBlock, Callbacks, Engine, LogLevel, Owner, Record, Removal, SharedFds};
use crate::error::{Result, caught, error};
use crate::loading::SnapshotLoad;
use crate::memory::{BlockId, BlockTable, RamBlock, RamBlockSpec};
use crate::source::PageHandler;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::{Condvar, Mutex, RwLock, RwLockReadGuard};

/// The incoming side of a migration or restore: RAM whose missing pages arrive on demand.
///
/// attached -> armed (set up) <-> paused -> complete -> attached again (cleaned up) -> retired.
pub struct Incoming {
    pub(super) owner: Owner,
    config: Mutex<Config>,
    pub(super) phase: Mutex<Phase>,
    /// A clean-up has ended, or was refused.
    cleaned_up: Condvar,
    /// The caller's RAM blocks. While armed, the engine's table is a copy of it.
    pub(super) table: RwLock<BlockTable>,
    /// What callers' threads place pages through, while armed. Taken for writing to wait until they are out of it: and they may
    /// be in a callback that waits for `phase`, so that no thread takes this while holding that.
    pub(super) engine: RwLock<Option<Arc<Engine>>>,
    pub(super) shared: Arc<SharedFds>,
    /// The current set-up's account, or the last one's.
    pub(super) record: Mutex<Record>,
}

/// Where in its life an incoming side is.
pub(super) enum Phase {
    Attached,
    /// A set-up or clean-up is under way: which.
    Changing(&'static str),
    /// A set-up is calling [`Hooks::ram_blocks`](crate::Hooks::ram_blocks).
    Listing,
    Armed(Armed),
    Retired,
}

const SETTING_UP: &str = "the mis is being set up";
const CLEANING_UP: &str = "the mis is being cleaned up";

impl Incoming {
    /// An incoming side without RAM blocks.
    pub fn new(config: Config) -> Result<Arc<Self>> {
        config.check()?;
        let record = Record::new(None)?;
        Ok(Arc::new(Self {
            owner: Owner::new(),
            config: Mutex::new(config),
            phase: Mutex::new(Phase::Attached),
            cleaned_up: Condvar::new(),
            table: RwLock::default(),
            engine: RwLock::default(),
            shared: Arc::default(),
            record: Mutex::new(record),
        }))
    }

    /// Changes the description. EBUSY while armed.
    pub fn configure(&self, config: Config) -> Result<()> {
        config.check()?;
        let phase = self.phase.lock();
        phase.check_attached()?;
        *self.config.lock() = config;
        Ok(())
    }

    /// Adds a RAM block: while not armed, or from [`Hooks::ram_blocks`](crate::Hooks::ram_blocks).
    ///
    /// # Safety
    /// The memory is a mapping of the caller's that stays as long as the block is known here: until it is removed, or a clean-up or
    /// abort has returned 0 and this is dropped. If this is dropped while a load is incomplete, it stays known until the process
    /// ends. No reference points into it while pages are placed or a load empties it: guest RAM is raw memory.
    pub unsafe fn add_ram_block(&self, id: BlockId, block: RamBlockSpec) -> Result<()> {
        let block = RamBlock::new(id, block)?;
        let phase = self.phase.lock();
        phase.check_table_free()?;
        self.table.write().add(block)
    }

    /// Forgets a RAM block, also while armed: what is missing in it reads as zeros from now on. Waits for a running
    /// handler. EDEADLK from a callback while armed, EBUSY while a snapshot load is incomplete.
    pub fn remove_ram_block(&self, id: BlockId) -> Result<()> {
        self.take_back(id, Removal::Kept)
    }

    /// Forgets a RAM block whose memory goes away for good, as [`Incoming::remove_ram_block`] does, but also while a snapshot
    /// load is incomplete: that goes on with the other blocks, and is complete without this one.
    pub fn drop_ram_block(&self, id: BlockId) -> Result<()> {
        self.take_back(id, Removal::ForGood)
    }

    fn take_back(&self, id: BlockId, removal: Removal) -> Result<()> {
        let block = self.block(id)?;
        let (gate, index) = {
            let phase = self.phase.lock();
            let Phase::Armed(armed) = &*phase else {
                phase.check_table_free()?;
                block.remove();
                self.table.write().drop_removed();
                return Ok(());
            };
            self.owner.refuse_inside("removing a RAM block while armed")?;
            let account = armed.engine.account();
            account.mark_removed(&block, removal)?;
            (account.gate().clone(), account.table().index_of(&block))
        };
        if let Some(index) = index {
            // Not from within the engine: a clean-up must be able to end this wait.
            gate.wait_idle_on(index);
            // A thread that was placing a page in it when it was marked removed is out of the engine after this.
            drop(self.engine.write());
            // There may have been a clean-up meanwhile, and even another set-up.
            if let Some(engine) =
                self.read_engine().as_ref().filter(|engine| Arc::ptr_eq(engine.account().gate(), &gate))
            {
                engine.unregister_removed(index);
            }
        }
        self.table.write().drop_removed();
        Ok(())
    }

    /// Opens the userfaultfd, registers the RAM blocks, starts the fault threads: from then on `handler` is asked for
    /// every page that is missing. Allocates `channels` temporary pages. All or nothing.
    pub fn setup(&self, handler: Arc<dyn PageHandler>, channels: u32) -> Result<()> {
        let bringer = Bringer::Handler(handler);
        self.arm(|_| Ok(Plan { bringer, channels, preempt: false, blocktime: false }))
    }

    /// The set-up of a postcopy: blocktime, two channels and a preempt thread as configured, and the configured
    /// handler.
    pub fn postcopy_setup(&self) -> Result<()> {
        self.arm(|config| {
            let handler = config.page_handler.clone().ok_or_else(|| error!(EINVAL, "no page handler is configured"))?;
            let (preempt, channels) = (config.preempt, if config.preempt { 2 } else { 1 });
            Ok(Plan { bringer: Bringer::Handler(handler), channels, preempt, blocktime: true })
        })
    }

    pub(super) fn arm(&self, plan: impl FnOnce(&Config) -> Result<Plan>) -> Result<()> {
        self.owner.refuse_inside("setting up")?;
        let (config, plan) = {
            let mut phase = self.phase.lock();
            phase.check_attached()?;
            let config = self.config.lock().clone();
            let plan = plan(&config)?;
            *phase = Phase::Changing(SETTING_UP);
            (config, plan)
        };
        let before = config.hooks.supplies_ram_blocks().then(|| std::mem::take(&mut *self.table.write()));
        let has_emptied = AtomicBool::new(false);
        // A panic is a failure like any other: the mis must not stay in between.
        let result = caught(|| self.build(&config, plan, &has_emptied)).and_then(|(mut armed, work)| {
            *self.engine.write() = Some(armed.engine.clone());
            match caught(|| work.start(&mut armed)) {
                Ok(()) => Ok(armed),
                Err(error) => {
                    self.disarm(armed, None);
                    Err(error)
                }
            }
        });
        let result = result.map(|armed| *self.phase.lock() = Phase::Armed(armed));
        if result.is_err() {
            let mut table = self.table.write();
            table.blocks().iter().for_each(|block| block.forget_requests());
            if let Some(before) = before {
                *table = before;
            }
            if has_emptied.load(SeqCst) {
                // What was marked is not there any more; nor in the blocks of before, which may be of the same memory.
                table.forget_pages();
            }
            drop(table);
            *self.phase.lock() = Phase::Attached;
        }
        result
    }

    fn build(&self, config: &Config, plan: Plan, has_emptied: &AtomicBool) -> Result<(Armed, Work)> {
        let callbacks = self.callbacks();
        if callbacks.hooks.supplies_ram_blocks() {
            *self.phase.lock() = Phase::Listing;
            let listed = callbacks.fallible("the ram_blocks callback", |hooks| hooks.ram_blocks(self));
            *self.phase.lock() = Phase::Changing(SETTING_UP);
            listed?;
        }
        // A block that is being removed by another thread is as good as gone.
        let table = self.table.read().without_removed();
        let site = Site { config, callbacks, table, shared: &self.shared, has_emptied };
        setup::build(site, plan, |record| *self.record.lock() = record)
    }

    /// Ends the threads, waits until callers are out of the engine, finishes a load, unregisters the RAM and closes everything.
    fn disarm(&self, armed: Armed, load: Option<Arc<SnapshotLoad>>) {
        let events = armed.end();
        let engine = self.engine.write().take();
        if let Some(engine) = &engine {
            engine.account().update_progress();
            let finished = caught(|| {
                load.iter().for_each(|load| load.finish(engine));
                Ok(())
            });
            finished.unwrap_or_else(|error| engine.account().log(LogLevel::Error, error.message()));
        }
        drop(events);
        drop(engine);
        self.shared.forget_asked();
    }

    /// Undoes a set-up; nothing to do when not armed. EBUSY while a snapshot load is incomplete, a page that was asked for is
    /// missing, or a set-up is under way.
    pub fn cleanup(&self) -> Result<()> {
        self.owner.refuse_inside("cleaning up")?;
        let Some(armed) = self.begin_cleanup(false)? else { return Ok(()) };
        // The caller's threads that were placing a page are out of the engine after this, and have taken it from the count.
        if let Err(error) = armed.await_requested_pages(|| drop(self.engine.write())) {
            *self.phase.lock() = Phase::Armed(armed);
            self.cleaned_up.notify_all();
            return Err(error);
        }
        self.finish_cleanup(armed);
        Ok(())
    }

    /// Undoes a set-up whatever is missing: RAM that has not been loaded reads as zeros. Ends the wait for urgent pages of
    /// a clean-up on another thread.
    pub fn abort(&self) -> Result<()> {
        self.owner.refuse_inside("aborting")?;
        self.begin_cleanup(true)?.into_iter().for_each(|armed| self.finish_cleanup(armed));
        Ok(())
    }

    /// Takes what is armed, if it is. When another thread is cleaning up, waits for its end.
    fn begin_cleanup(&self, aborts: bool) -> Result<Option<Armed>> {
        let mut phase = self.phase.lock();
        while matches!(*phase, Phase::Changing(CLEANING_UP)) {
            if aborts {
                self.record.lock().gate.skip_urgent_wait();
            }
            self.cleaned_up.wait(&mut phase);
        }
        match &*phase {
            Phase::Armed(_) if aborts => {}
            Phase::Armed(armed) => armed.check_loaded()?,
            Phase::Attached | Phase::Retired => return Ok(None),
            Phase::Changing(_) | Phase::Listing => return phase.check_attached().map(|()| None),
        }
        match std::mem::replace(&mut *phase, Phase::Changing(CLEANING_UP)) {
            Phase::Armed(armed) => Ok(Some(armed)),
            _ => unreachable!("it is armed"),
        }
    }

    fn finish_cleanup(&self, armed: Armed) {
        let load = armed.load.clone();
        self.disarm(armed, load);
        if self.config.lock().hooks.supplies_ram_blocks() {
            *self.table.write() = BlockTable::default();
        } else {
            self.table.read().forget_pages();
        }
        *self.phase.lock() = Phase::Attached;
        self.cleaned_up.notify_all();
    }

    /// The callbacks as configured.
    pub(super) fn callbacks(&self) -> Callbacks {
        Callbacks { hooks: self.config.lock().hooks.clone(), owner: self.owner }
    }

    /// Ends this life: nothing can be set up any more. EBUSY while armed.
    pub fn retire(&self) -> Result<()> {
        self.owner.refuse_inside("detaching")?;
        let mut phase = self.phase.lock();
        phase.check_attached()?;
        *phase = Phase::Retired;
        Ok(())
    }

    /// The RAM block of this id, armed or not.
    pub(super) fn block(&self, id: BlockId) -> Result<Arc<RamBlock>> {
        let table = self.table.read();
        Ok(table.blocks()[table.by_id(id)?].clone())
    }

    pub(super) fn with_engine<T>(&self, f: impl FnOnce(&Engine) -> Result<T>) -> Result<T> {
        match &*self.read_engine() {
            Some(engine) => f(engine),
            None => Err(error!(EINVAL, "the mis is not armed: nothing has been set up")),
        }
    }

    /// Fair to a thread that waits to write; but a callback may come here while the caller of what called back is in here, too.
    pub(super) fn read_engine(&self) -> RwLockReadGuard<'_, Option<Arc<Engine>>> {
        if self.owner.is_inside() { self.engine.read_recursive() } else { self.engine.read() }
    }
}

impl Drop for Incoming {
    /// Cleans up. Where [`Incoming::cleanup`] would be refused, since that would turn missing pages into zeros, all stays armed until
    /// the process ends, and an error is logged: who wants the zeros calls [`Incoming::abort`]. A load goes on; one that is paused
    /// stays so. The RAM, and the descriptors of clients, must then stay as they are, too: see [`Incoming::add_ram_block`].
    fn drop(&mut self) {
        let Phase::Armed(armed) = std::mem::replace(&mut *self.phase.lock(), Phase::Retired) else { return };
        let may_end = self.owner.refuse_inside("cleaning up").and_then(|()| armed.check_dropped());
        if let Err(error) = may_end {
            let message = format!("the last reference to an armed side was dropped; it stays armed: {error}");
            armed.engine.account().log(LogLevel::Error, &message);
            return std::mem::forget(armed);
        }
        let load = armed.load.clone();
        self.disarm(armed, load);
    }
}

impl AddRamBlock for Incoming {
    unsafe fn add_ram_block(&self, id: BlockId, block: RamBlockSpec) -> Result<()> {
        // SAFETY: the contract is the same.
        unsafe { Incoming::add_ram_block(self, id, block) }
    }
}

impl Phase {
    fn check_attached(&self) -> Result<()> {
        match self {
            Phase::Attached => Ok(()),
            Phase::Listing => Err(error!(EBUSY, "{SETTING_UP}")),
            Phase::Changing(why) => Err(error!(EBUSY, "{why}")),
            Phase::Armed(_) => Err(error!(EBUSY, "the mis is armed: clean up first")),
            Phase::Retired => Err(error!(ENOENT, "the mis has been detached")),
        }
    }

    /// Whether RAM blocks may come and go.
    fn check_table_free(&self) -> Result<()> {
        if matches!(self, Phase::Listing) { Ok(()) } else { self.check_attached() }
    }
}
