//! What serves an armed mis: its fault threads, loader threads and preempt thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::callbacks::Callbacks;
use super::config::LogLevel;
use super::discards::{self, Discards};
use super::engine::{Engine, Removal};
use super::gate::Gate;
use super::load::Load;
use super::threads::{join, spawn};
use super::{Incoming, fault_thread};
use crate::error::{Result, ensure, error, panic_message};
use crate::memory::RamBlock;
use crate::sync::JoinHandle;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// The threads of an armed mis. Dropped, it ends and joins them; [`Armed::end`] leaves one.
pub(super) struct Armed {
    engine: Arc<Engine>,
    workers: Vec<JoinHandle<()>>,
    preempt: Option<Preempt>,
    events: Option<EventsThread>,
}

struct Preempt {
    thread: JoinHandle<()>,
    /// preempt_run has returned: nothing urgent arrives any more.
    done: Arc<AtomicBool>,
}

/// The thread that reads the faults, and of discards, where those are tracked. Dropped, it ends and is joined.
pub(super) struct EventsThread {
    engine: Arc<Engine>,
    thread: Option<JoinHandle<()>>,
}

impl Armed {
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, workers: Vec::new(), preempt: None, events: None }
    }

    pub fn callbacks(&self) -> &Callbacks {
        &self.engine.callbacks
    }

    pub fn start_fault_threads(&mut self) -> Result<()> {
        for worker in 0..self.engine.wakers.len() {
            self.start(format!("uffd/fault{worker}"), move |engine| guard(engine, worker, fault_thread::run))?;
        }
        Ok(())
    }

    /// The last worker, where discards are tracked.
    pub fn start_events_thread(&mut self, loader_threads: usize) -> Result<()> {
        if self.engine.discards.is_some() {
            let worker = self.engine.wakers.len() + loader_threads;
            let thread = self.spawn("uffd/events", move |engine| guard(engine, worker, discards::run))?;
            self.events = Some(EventsThread { engine: self.engine.clone(), thread: Some(thread) });
        }
        Ok(())
    }

    /// Loader threads are workers too, numbered behind the fault threads.
    pub fn start_loader_threads(&mut self, load: &Arc<dyn Load>) -> Result<()> {
        let first = self.engine.wakers.len();
        for number in 0..load.threads() {
            let load = load.clone();
            let body = move |engine: &Engine| {
                engine.loaders.fetch_add(1, SeqCst);
                guard(engine, first + number, |engine, worker| load.run(engine, worker));
                engine.loaders.fetch_sub(1, SeqCst);
            };
            self.start(format!("uffd/load{number}"), body)?;
        }
        Ok(())
    }

    /// Long runs of zeros that need not be placed count as received. The last step of a set-up: one that fails has marked
    /// nothing that stays.
    pub fn receive_zeros(&self, load: &dyn Load) {
        let engine = &self.engine;
        for index in (0..engine.table.blocks().len()).filter(|index| engine.registration.holes_are_zeros(*index)) {
            let block = engine.block(index);
            for zeros in load.zeros(index) {
                let pages = zeros.start.div_ceil(block.page_size())..block.page_of(zeros.end);
                // A thread whose fault has been read gets its page from a fault thread, woken or not.
                if let Err(error) = engine.leave_missing(index, pages) {
                    engine.callbacks.log(LogLevel::Warning, error.message());
                }
            }
        }
        // All may have been marked received.
        engine.check_complete();
    }

    pub fn start(&mut self, name: String, body: impl FnOnce(&Engine) + Send + 'static) -> Result<()> {
        let thread = self.spawn(&name, body)?;
        self.workers.push(thread);
        Ok(())
    }

    fn spawn(&self, name: &str, body: impl FnOnce(&Engine) + Send + 'static) -> Result<JoinHandle<()>> {
        let engine = self.engine.clone();
        spawn(name, self.engine.callbacks.clone(), move || body(&engine))
    }

    pub fn start_preempt_thread(&mut self, incoming: Arc<Incoming>) -> Result<()> {
        let callbacks = self.engine.callbacks.clone();
        let engine = self.engine.clone();
        let done = Arc::new(AtomicBool::new(false));
        let when_done = done.clone();
        let thread = spawn("uffd/preempt", self.engine.callbacks.clone(), move || {
            callbacks.infallible("the preempt_run callback", (), |hooks| hooks.preempt_run(&incoming));
            when_done.store(true, SeqCst);
            engine.gate.poke();
        })?;
        self.preempt = Some(Preempt { thread, done });
        Ok(())
    }

    /// The caller takes a block back; the gate at which to wait until nobody works in it.
    pub fn mark_removed(&self, block: &RamBlock, removal: Removal) -> Result<Arc<Gate>> {
        self.engine.mark_removed(block, removal)?;
        Ok(self.engine.gate.clone())
    }

    /// EBUSY while a snapshot load is incomplete: closing would turn what is missing into silent zeros.
    pub fn check_loaded(&self) -> Result<()> {
        ensure!(
            self.engine.misses_nothing(),
            EBUSY,
            "a snapshot load is not complete: what is missing would read as zeros; wait for it (uffd_incoming_wait), or \
             abort (uffd_incoming_abort)"
        );
        Ok(())
    }

    /// Lets requested urgent pages arrive, while the preempt thread can bring them and there is no pause. Then makes sure that no
    /// page is left that was asked for: closing would turn it into zeros under a thread that waits for it. EBUSY if one is;
    /// not if an abort has ended the wait.
    ///
    /// `await_callers` returns once the caller's threads that are placing pages have counted them.
    pub fn await_requested_pages(&self, await_callers: impl FnOnce()) -> Result<()> {
        let Self { engine, preempt, .. } = self;
        if let Some(preempt) = preempt {
            let none_left = || engine.requested.load(SeqCst) == 0 || preempt.done.load(SeqCst);
            engine.gate.wait_unpaused_until(none_left);
        }
        // From now on no handler is called, so that no page is asked for.
        engine.gate.keep_out();
        // Only where a page is left: the wait is for the callbacks of the caller's threads, too, and those may need this clean-up to go on.
        if engine.requested.load(SeqCst) != 0 {
            await_callers();
        }
        let left = engine.requested.load(SeqCst);
        if left == 0 || engine.gate.is_hurried() {
            return Ok(());
        }
        engine.gate.let_in();
        Err(error!(
            EBUSY,
            "{left} pages that the handler was asked for have not been placed, and would read as zeros to the threads that \
             wait for them: place them, or abort (uffd_incoming_abort)"
        ))
    }

    /// Ends and joins all threads but the one that reads of discards, to be dropped once no callback is left to wait for: until
    /// then, one may discard RAM.
    pub fn end(mut self) -> Option<EventsThread> {
        self.events.take()
    }
}

impl Drop for EventsThread {
    fn drop(&mut self) {
        self.engine.discards.iter().for_each(Discards::end);
        self.thread.take().into_iter().for_each(join);
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(preempt) = self.preempt.take() {
            self.engine.callbacks.infallible("the preempt_quit callback", (), |hooks| hooks.preempt_quit());
            join(preempt.thread);
        }
        self.engine.gate.end();
        self.engine.wake_threads();
        self.workers.drain(..).for_each(join);
    }
}

/// Runs a worker's body. A panic in it is reported and pauses, and after a resume the body starts anew.
fn guard(engine: &Engine, worker: usize, body: impl Fn(&Engine, usize)) {
    while let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(engine, worker))) {
        let words = panic_message(&*panic);
        if engine.stand_still(worker, error!(ENOTRECOVERABLE, "internal error, please report it: {words}")).is_err() {
            return;
        }
        // What it had in hand is lost: whoever waits for it faults again, clients of shared descriptors, too.
        engine.wake_everybody();
        engine.shared.wake_clients();
    }
}
