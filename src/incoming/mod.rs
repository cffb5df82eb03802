//! The engine: the life of an incoming side, its set-up and clean-up, fault threads, placing, pausing.

mod armed;
mod blocktime;
mod callbacks;
mod config;
mod crowd;
mod discards;
mod emptying;
mod engine;
mod fault;
mod fault_thread;
mod following;
mod gate;
mod load;
#[cfg(all(test, shuttle))]
mod models;
mod moving;
mod placing;
mod poisoning;
mod presence;
mod registration;
mod setup;
mod shared;
mod spin;
#[cfg(all(test, not(shuttle)))]
mod tests;
mod threads;
mod waits;

use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use self::armed::Armed;
use self::blocktime::Blocktime;
use self::callbacks::{Callbacks, Owner};
use self::shared::{Asked, SharedFds};
use crate::error::{Result, caught, ensure, error};
use crate::memory::{BlockId, BlockTable, RamBlock, RamBlockSpec};
use crate::stats::{Statistics, Stats};
use crate::sync::atomic::Ordering::SeqCst;
use crate::sync::{Condvar, Mutex, RwLock, RwLockReadGuard};

pub use self::blocktime::{BlocktimeReport, Waited};
pub use self::config::{Config, Event, Hooks, LogLevel};
pub(crate) use self::engine::{Engine, Removal};
pub use self::fault::{Fault, PageHandler};
pub(crate) use self::gate::{Ending, Gate, NO_BLOCK};
pub(crate) use self::load::Load;
pub(crate) use self::placing::Filling;
pub(crate) use self::setup::Plan;
pub use self::shared::SharedClient;

/// The incoming side of a migration or restore: RAM whose missing pages arrive on demand.
///
/// attached -> armed (set up) <-> paused -> complete -> attached again (cleaned up) -> retired.
pub struct Incoming {
    owner: Owner,
    config: Mutex<Config>,
    phase: Mutex<Phase>,
    /// A clean-up has ended, or was refused.
    cleaned_up: Condvar,
    /// The caller's RAM blocks. While armed, the engine's table is a copy of it.
    table: RwLock<BlockTable>,
    /// What callers' threads place pages through, while armed. Taken for writing to wait until they are out of it: and they may
    /// be in a callback that waits for `phase`, so that nobody takes this while holding that.
    engine: RwLock<Option<Arc<Engine>>>,
    shared: Arc<SharedFds>,
    /// The current set-up's account, or the last one's.
    record: Mutex<Record>,
}

/// Where in its life an incoming side is.
enum Phase {
    Attached,
    /// A set-up or clean-up is under way: which.
    Changing(&'static str),
    /// A set-up is calling [`Hooks::ram_blocks`].
    Listing,
    Armed(Armed),
    Retired,
}

const SETTING_UP: &str = "it is being set up";
const CLEANING_UP: &str = "it is being cleaned up";

/// What is told of a set-up, during and after it.
#[derive(Clone)]
struct Record {
    stats: Arc<Stats>,
    gate: Arc<Gate>,
    blocktime: Option<Arc<Blocktime>>,
}

impl Incoming {
    /// An incoming side without RAM blocks.
    pub fn new(config: Config) -> Result<Arc<Self>> {
        config.check()?;
        let record = Record { stats: Arc::default(), gate: Arc::new(Gate::new(0)), blocktime: None };
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

    /// Adds a RAM block: while not armed, or from [`Hooks::ram_blocks`].
    ///
    /// # Safety
    /// The memory is a mapping of the caller's that stays as long as the block is known here. No reference points into
    /// it while pages are placed or a load empties it: guest RAM is raw memory.
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
        let table = self.table.read().clone();
        let block = &table.blocks()[table.by_id(id)?];
        let gate = {
            let phase = self.phase.lock();
            let Phase::Armed(armed) = &*phase else {
                phase.check_table_free()?;
                block.remove();
                self.table.write().drop_removed();
                return Ok(());
            };
            self.owner.refuse_inside("removing a RAM block while armed")?;
            armed.mark_removed(block, removal)?
        };
        let index = self.read_engine().as_ref().and_then(|engine| engine.index_of(block));
        if let Some(index) = index {
            // Not from within the engine: a clean-up must be able to end this wait.
            gate.wait_idle_on(index);
            // Who was placing a page in it when it was marked removed is out of the engine after this.
            drop(self.engine.write());
            // There may have been a clean-up meanwhile, and even another set-up.
            if let Some(engine) = self.read_engine().as_ref().filter(|engine| Arc::ptr_eq(&engine.gate, &gate)) {
                engine.let_go(index);
            }
        }
        self.table.write().drop_removed();
        Ok(())
    }

    /// Opens the userfaultfd, registers the RAM blocks, starts the fault threads: from then on `handler` is asked for
    /// every page that is missing. Allocates `channels` temporary pages. All or nothing.
    pub fn setup(self: &Arc<Self>, handler: Arc<dyn PageHandler>, channels: u32) -> Result<()> {
        self.arm(|_| Ok(Plan::new(handler, channels)))
    }

    /// The set-up of a postcopy: blocktime, two channels and a preempt thread as configured, and the configured
    /// handler.
    pub fn postcopy_setup(self: &Arc<Self>) -> Result<()> {
        self.arm(|config| {
            let handler = config.page_handler.clone().ok_or_else(|| error!(EINVAL, "no page handler is configured"))?;
            let channels = if config.preempt { 2 } else { 1 };
            Ok(Plan { preempt: config.preempt, blocktime: true, ..Plan::new(handler, channels) })
        })
    }

    pub(crate) fn arm(self: &Arc<Self>, plan: impl FnOnce(&Config) -> Result<Plan>) -> Result<()> {
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
        // A panic is a failure like any other: the mis must not stay in between.
        let result = caught(|| self.build_engine(&config, &plan)).and_then(|engine| {
            *self.engine.write() = Some(engine.clone());
            let mut armed = Armed::new(engine);
            match caught(|| self.start(&mut armed, &plan)) {
                Ok(()) => Ok(armed),
                Err(error) => {
                    self.disarm(armed, |_| ());
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
            if plan.has_emptied.load(SeqCst) {
                // What was marked is not there any more; nor in the blocks of before, which may be of the same memory.
                table.forget_pages();
            }
            drop(table);
            *self.phase.lock() = Phase::Attached;
        }
        result
    }

    /// Ends the threads, waits until callers are out of the engine, unregisters the RAM and closes everything. `last` is
    /// called before the RAM is let go of.
    fn disarm(&self, armed: Armed, last: impl FnOnce(&Engine)) {
        let events = armed.end();
        let engine = self.engine.write().take();
        if let Some(engine) = &engine {
            engine.keep_account();
            last(engine);
        }
        drop(events);
        drop(engine);
        self.shared.forget_asked();
    }

    /// Undoes a set-up; nothing to do when not armed. EBUSY while a snapshot load is incomplete, a page that was asked for is
    /// missing, or a set-up is under way.
    pub fn cleanup(&self) -> Result<()> {
        self.owner.refuse_inside("cleaning up")?;
        let Some(armed) = self.begin_cleanup(Armed::check_loaded, || ())? else { return Ok(()) };
        // Whoever was placing a page is out of the engine after this, and has taken it from the count.
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
        let hurry = || self.record.lock().gate.hurry();
        let Some(armed) = self.begin_cleanup(|_| Ok(()), hurry)? else { return Ok(()) };
        self.finish_cleanup(armed);
        Ok(())
    }

    /// Takes what is armed, if it is and the check agrees. When another thread is cleaning up, waits for its end.
    fn begin_cleanup(
        &self,
        check: impl FnOnce(&Armed) -> Result<()>,
        while_cleaning_up: impl Fn(),
    ) -> Result<Option<Armed>> {
        let mut phase = self.phase.lock();
        while matches!(*phase, Phase::Changing(CLEANING_UP)) {
            while_cleaning_up();
            self.cleaned_up.wait(&mut phase);
        }
        if let Phase::Armed(armed) = &*phase {
            check(armed)?;
        }
        match std::mem::replace(&mut *phase, Phase::Changing(CLEANING_UP)) {
            Phase::Armed(armed) => Ok(Some(armed)),
            before => {
                *phase = before;
                match &*phase {
                    Phase::Attached | Phase::Retired => Ok(None),
                    phase => phase.check_attached().map(|()| None),
                }
            }
        }
    }

    fn finish_cleanup(&self, armed: Armed) {
        self.disarm(armed, |engine| {
            let finished = caught(|| {
                engine.load.iter().for_each(|load| load.finish(engine));
                Ok(())
            });
            if let Err(error) = finished {
                engine.callbacks.log(LogLevel::Error, error.message());
            }
        });
        if self.config.lock().hooks.supplies_ram_blocks() {
            *self.table.write() = BlockTable::default();
        } else {
            self.table.read().forget_pages();
        }
        *self.phase.lock() = Phase::Attached;
        self.cleaned_up.notify_all();
    }

    /// Logs a message as the configuration says.
    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        Callbacks { hooks: self.config.lock().hooks.clone(), owner: self.owner }.log(level, message);
    }

    /// Ends this life: nothing can be set up any more. EBUSY while armed.
    pub fn retire(&self) -> Result<()> {
        self.owner.refuse_inside("detaching")?;
        let mut phase = self.phase.lock();
        phase.check_attached()?;
        *phase = Phase::Retired;
        Ok(())
    }

    /// Places one page at a host address with the bytes at `from`, of which a page's worth is read by the kernel.
    /// A page that is present stays.
    pub fn place_page(&self, id: BlockId, host: usize, from: *const u8) -> Result<()> {
        self.place(id, host, None, Filling::Bytes(from))
    }

    /// Places one page of zeros.
    pub fn place_zero_page(&self, id: BlockId, host: usize) -> Result<()> {
        self.place(id, host, None, Filling::Zeros)
    }

    /// Places `length` bytes, whole pages, with as few system calls as can be.
    pub fn place_range(&self, id: BlockId, host: usize, from: *const u8, length: usize) -> Result<()> {
        self.place(id, host, Some(length), Filling::Bytes(from))
    }

    fn place(&self, id: BlockId, host: usize, length: Option<usize>, filling: Filling) -> Result<()> {
        if let Filling::Bytes(from) = filling {
            ensure!(!from.is_null(), EINVAL, "the bytes to place are at NULL");
        }
        self.with_engine(|engine| {
            let index = engine.table.by_id(id)?;
            let block = engine.block(index);
            let offset = host.checked_sub(block.host());
            let offset = offset.ok_or_else(|| error!(EINVAL, "{block}: address {host:#x} lies before it"))?;
            let pages = block.whole_pages(offset as u64, length.unwrap_or(block.page_size()) as u64)?;
            engine.place(index, pages, filling)
        })
    }

    /// The temporary page of a channel; it lives until cleanup.
    pub fn temp_page(&self, channel: u32) -> Result<*mut u8> {
        self.with_engine(|engine| {
            let page = engine.temp_pages.channel(channel);
            page.ok_or_else(|| error!(EINVAL, "there is no channel {channel}"))
        })
    }

    /// Whether the page that holds the byte at an offset has been placed or marked received.
    pub fn page_received(&self, id: BlockId, offset: u64) -> Result<bool> {
        let table = self.table.read();
        let block = &table.blocks()[table.by_id(id)?];
        Ok(block.received().get(block.page_at(offset)?))
    }

    /// Marks whole pages received that are in place by other means; who waits for one of them goes on.
    pub fn mark_received(&self, id: BlockId, offset: u64, length: u64) -> Result<()> {
        let table = self.table.read().clone();
        let block = &table.blocks()[table.by_id(id)?];
        let pages = block.whole_pages(offset, length)?;
        block.receive(pages.clone(), |_, _| ());
        let engine = self.read_engine();
        let armed = engine.as_ref().and_then(|engine| Some((engine, engine.index_of(block)?)));
        armed.map_or(Ok(()), |(engine, index)| engine.vouched_for(index, pages))
    }

    /// Pauses: returns once no handler runs and no loader works, or somebody has resumed.
    pub fn pause(&self) -> Result<()> {
        self.owner.refuse_inside("pausing")?;
        // Not from within the engine: a clean-up must be able to end this wait.
        let gate = self.with_engine(|engine| {
            if engine.gate.pause() {
                engine.callbacks.event(&Event::Paused(None));
            }
            Ok(engine.gate.clone())
        })?;
        gate.wait_idle();
        Ok(())
    }

    /// Ends a pause. A handler call that is running meanwhile is, if it fails, repeated at once.
    pub fn resume(&self) -> Result<()> {
        self.with_engine(|engine| {
            // Told before it is done, so that a new failure is told after it.
            if engine.gate.is_paused() {
                engine.callbacks.event(&Event::Resumed);
            }
            engine.gate.resume();
            Ok(())
        })
    }

    /// Wakes the fault threads to look again.
    pub fn notify(&self) -> Result<()> {
        self.with_engine(|engine| {
            engine.wake_threads();
            Ok(())
        })
    }

    /// The pages that the handler was asked for and that have not been placed yet.
    pub fn requested(&self) -> Result<Vec<(BlockId, u64)>> {
        self.with_engine(Engine::requested_pages)
    }

    /// Waits until a snapshot load has placed every page: ETIMEDOUT, the reason of a pause after a failure, ECANCELED when
    /// it is aborted, or EIO when nothing is left to load and pages have been poisoned.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<()> {
        self.owner.refuse_inside("waiting for a load")?;
        // Not from within the engine: an abort must be able to end this wait.
        let gate = self.with_engine(|engine| {
            ensure!(engine.load.is_some(), EINVAL, "no snapshot is being loaded");
            Ok(engine.gate.clone())
        })?;
        gate.wait_complete(timeout)
    }

    /// Serves the userfaultfd of another process that maps the same RAM, from now on and in every set-up, until it is
    /// removed. EEXIST when it is served already.
    ///
    /// # Safety
    /// The descriptor stays open until [`Incoming::remove_shared_fd`] has returned.
    pub unsafe fn add_shared_fd(&self, fd: BorrowedFd<'_>, client: Arc<dyn SharedClient>) -> Result<()> {
        self.shared.add(fd, client)?;
        self.wake_threads();
        Ok(())
    }

    /// Stops serving another process's userfaultfd. Waits for its handler and wakers, but not within a callback; never
    /// for a pause.
    pub fn remove_shared_fd(&self, fd: RawFd) -> Result<()> {
        let shared = self.shared.remove(fd)?;
        self.wake_threads();
        if !self.owner.is_inside() {
            shared.wait_unused();
        }
        Ok(())
    }

    /// A client of a shared descriptor waits at `client_addr` for the page that holds the byte at an offset. It is woken
    /// when the page is in place, and if it is not, it is asked for like any other.
    pub fn request_shared_page(&self, fd: RawFd, block: BlockId, client_addr: u64, offset: u64) -> Result<()> {
        self.with_engine(|engine| {
            self.shared.get(fd)?;
            let ram = engine.block(engine.table.by_id(block)?);
            self.shared.ask(Asked { block, page: ram.page_at(offset)?, fd, client_addr });
            engine.wakers[0].signal();
            Ok(())
        })
    }

    /// Tells the clients of all shared descriptors that a page is in place, as every placing does by itself.
    pub fn notify_shared_wake(&self, block: BlockId, offset: u64) -> Result<()> {
        // Held: a removal of the block waits for the wakers.
        let _engine = self.read_engine();
        let table = self.table.read().clone();
        table.blocks()[table.by_id(block)?].page_at(offset)?;
        let callbacks = Callbacks { hooks: self.config.lock().hooks.clone(), owner: self.owner };
        self.shared.notify(&callbacks, block, offset)
    }

    /// Wakes the client of a shared descriptor that waits for a page of a block at an address of its own.
    pub fn wake_shared(&self, fd: RawFd, block: BlockId, client_addr: u64) -> Result<()> {
        let table = self.table.read();
        self.shared.get(fd)?.wake(&table.blocks()[table.by_id(block)?], client_addr)
    }

    fn wake_threads(&self) {
        if let Some(engine) = &*self.read_engine() {
            engine.wake_threads();
        }
    }

    /// The counters of the current set-up, or the last one.
    pub fn stats(&self) -> Statistics {
        let record = self.record.lock().clone();
        let fault_threads = self.read_engine().as_ref().map_or(0, |engine| {
            engine.keep_account();
            engine.wakers.len() as u32
        });
        Statistics {
            fault_threads,
            paused: record.gate.is_paused(),
            complete: record.gate.is_complete(),
            ..record.stats.read()
        }
    }

    /// How long the vCPUs waited, in the current set-up or the last one.
    pub fn blocktime(&self) -> Result<BlocktimeReport> {
        let blocktime = self.record.lock().blocktime.clone();
        Ok(blocktime.ok_or_else(|| error!(EINVAL, "no blocktime was asked for in a set-up"))?.report())
    }

    fn with_engine<T>(&self, f: impl FnOnce(&Engine) -> Result<T>) -> Result<T> {
        match &*self.read_engine() {
            Some(engine) => f(engine),
            None => Err(error!(EINVAL, "it is not armed: nothing has been set up")),
        }
    }

    /// Fair to whoever waits to write; but a callback may come here while the caller of what called back is in here, too.
    fn read_engine(&self) -> RwLockReadGuard<'_, Option<Arc<Engine>>> {
        if self.owner.is_inside() { self.engine.read_recursive() } else { self.engine.read() }
    }
}

impl Phase {
    fn check_attached(&self) -> Result<()> {
        match self {
            Phase::Attached => Ok(()),
            Phase::Listing => Err(error!(EBUSY, "{SETTING_UP}")),
            Phase::Changing(why) => Err(error!(EBUSY, "{why}")),
            Phase::Armed(_) => Err(error!(EBUSY, "it is armed: clean up first")),
            Phase::Retired => Err(error!(ENOENT, "it has been detached")),
        }
    }

    /// Whether RAM blocks may come and go.
    fn check_table_free(&self) -> Result<()> {
        if matches!(self, Phase::Listing) { Ok(()) } else { self.check_attached() }
    }
}
