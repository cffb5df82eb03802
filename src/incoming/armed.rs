//! What serves an armed mis: its fault threads, loader threads and preempt thread.

use std::sync::Arc;

use super::threads::{join, spawn};
use crate::engine::{Bell, Discards, EVERYWHERE, Engine, FaultServer, FaultThread, Lane, Leader, Seat, worker};
use crate::error::{Result, ensure};
use crate::loading::{BackgroundLoader, SnapshotLoad};
use crate::sync::JoinHandle;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// The threads of an armed mis. Dropped, it ends and joins them; [`Armed::end`] leaves one.
pub(super) struct Armed {
    pub engine: Arc<Engine>,
    pub load: Option<Arc<SnapshotLoad>>,
    workers: Vec<JoinHandle<()>>,
    /// Each wakes the fault thread of its number.
    ringers: Vec<JoinHandle<()>>,
    /// Of each fault thread and its readers.
    lanes: Vec<Arc<Lane<Leader>>>,
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
    pub fn new(engine: Arc<Engine>, load: Option<Arc<SnapshotLoad>>) -> Self {
        Self { engine, load, workers: Vec::new(), ringers: Vec::new(), lanes: Vec::new(), preempt: None, events: None }
    }

    pub fn start_events_thread(&mut self) -> Result<()> {
        if self.engine.discards().is_some() {
            let body = |engine: &Engine, seat| worker::run(engine, seat, |seat| engine.run_events_thread(seat));
            let thread = self.spawn("uffd/events", body)?;
            self.events = Some(EventsThread { engine: self.engine.clone(), thread: Some(thread) });
        }
        Ok(())
    }

    /// One for each list of servers, and its readers.
    pub fn start_fault_threads(&mut self, servers: Vec<Vec<Box<dyn FaultServer>>>) -> Result<()> {
        let mut readers = 0;
        for (number, servers) in servers.into_iter().enumerate() {
            self.start_ringer(number)?;
            let lane = Arc::new(Lane::new(Leader::new(&self.engine, number), servers.len())?);
            self.lanes.push(lane.clone());
            for (nth, server) in servers.into_iter().enumerate() {
                let name = if nth == 0 { format!("uffd/fault{number}") } else { format!("uffd/read{readers}") };
                readers += usize::from(nth > 0);
                let lane = lane.clone();
                self.start(name, move |engine, seat| {
                    let mut thread = FaultThread::new(engine, lane, server);
                    worker::run(engine, seat, |seat| thread.run(seat));
                })?;
            }
        }
        Ok(())
    }

    /// What ends the read() of a fault thread that sleeps in one.
    fn start_ringer(&mut self, number: usize) -> Result<()> {
        let engine = self.engine.clone();
        if engine.waker(number).bell().is_some() {
            let callbacks = engine.account().callbacks().clone();
            let body = move || engine.waker(number).bell().into_iter().for_each(Bell::run);
            self.ringers.push(spawn(&format!("uffd/wake{number}"), callbacks, body)?);
        }
        Ok(())
    }

    pub fn start_loader_threads(&mut self, loaders: Vec<BackgroundLoader>) -> Result<()> {
        for (number, mut loader) in loaders.into_iter().enumerate() {
            self.start(format!("uffd/load{number}"), move |engine, seat| {
                engine.run_loader(|| worker::run(engine, seat, |seat| loader.run(engine, seat)));
            })?;
        }
        Ok(())
    }

    pub fn start_preempt_thread(&mut self) -> Result<()> {
        let engine = self.engine.clone();
        let done = Arc::new(AtomicBool::new(false));
        let when_done = done.clone();
        let thread = spawn("uffd/preempt", self.engine.account().callbacks().clone(), move || {
            engine.account().callbacks().infallible("the preempt_run callback", (), |hooks| hooks.preempt_run());
            when_done.store(true, SeqCst);
            engine.account().gate().poke();
        })?;
        self.preempt = Some(Preempt { thread, done });
        Ok(())
    }

    pub fn start(&mut self, name: String, body: impl FnOnce(&Engine, Seat) + Send + 'static) -> Result<()> {
        let thread = self.spawn(&name, body)?;
        self.workers.push(thread);
        Ok(())
    }

    fn spawn(&self, name: &str, body: impl FnOnce(&Engine, Seat) + Send + 'static) -> Result<JoinHandle<()>> {
        let (engine, seat) = (self.engine.clone(), self.engine.account().gate().add_worker());
        spawn(name, self.engine.account().callbacks().clone(), move || body(&engine, seat))
    }

    /// Long runs of zeros that need not be placed count as received. The last step of a set-up: one that fails has marked
    /// nothing that stays.
    pub fn receive_zeros(&self) {
        let Some(load) = &self.load else { return };
        let (engine, account) = (&self.engine, self.engine.account());
        for index in (0..account.table().blocks().len()).filter(|index| engine.registration().holes_are_zeros(*index)) {
            let block = engine.block(index);
            for zeros in load.long_zero_runs(index) {
                let pages = zeros.start.div_ceil(block.page_size())..block.page_of(zeros.end);
                // A thread whose fault has been read gets its page from a fault thread, woken or not.
                account.log_failure(engine.leave_missing(index, pages));
            }
        }
        // All may have been marked received.
        account.check_complete();
    }

    /// EBUSY while a snapshot load is incomplete: closing would turn what is missing into silent zeros.
    pub fn check_loaded(&self) -> Result<()> {
        ensure!(
            self.engine.account().load_finished(),
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
        let (account, gate) = (self.engine.account(), self.engine.account().gate());
        if let Some(preempt) = &self.preempt {
            gate.wait_unpaused_until(|| account.outstanding() == 0 || preempt.done.load(SeqCst));
        }
        // From now on no handler is called, so that no page is asked for.
        gate.keep_out();
        // Only where a page is left: the wait is for the callbacks of the caller's threads, too, and those may need this
        // clean-up to go on.
        if account.outstanding() != 0 {
            await_callers();
        }
        if gate.skips_urgent_wait() {
            return Ok(());
        }
        self.check_requested().inspect_err(|_| gate.let_in())
    }

    fn check_requested(&self) -> Result<()> {
        let left = self.engine.account().outstanding();
        ensure!(
            left == 0,
            EBUSY,
            "{left} pages that the handler was asked for have not been placed, and would read as zeros to the threads that \
             wait for them: place them, or abort (uffd_incoming_abort)"
        );
        Ok(())
    }

    /// Whether all can be undone now, without waiting for anything, and no page that a thread waits for becomes zeros.
    pub fn check_dropped(&self) -> Result<()> {
        self.check_loaded()?;
        self.check_requested()?;
        let (waiting, _) = self.engine.account().waits().now_waiting(&EVERYWHERE);
        ensure!(
            self.load.is_some() || waiting == 0,
            EBUSY,
            "{waiting} threads wait for pages, which would read as zeros"
        );
        Ok(())
    }

    /// Ends and joins all threads but the one that reads of discards, to be dropped once no callback is left to wait for: until
    /// then, one may discard RAM.
    pub fn end(mut self) -> Option<EventsThread> {
        self.events.take()
    }
}

impl Drop for EventsThread {
    fn drop(&mut self) {
        self.engine.discards().into_iter().for_each(Discards::end);
        self.thread.take().into_iter().for_each(join);
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(preempt) = self.preempt.take() {
            self.engine.account().callbacks().infallible("the preempt_quit callback", (), |hooks| hooks.preempt_quit());
            join(preempt.thread);
        }
        self.engine.account().gate().end();
        self.lanes.iter().for_each(|lane| lane.end());
        self.engine.wake_fault_threads();
        self.workers.drain(..).for_each(join);
        for (number, ringer) in self.ringers.drain(..).enumerate() {
            let uffd = &self.engine.registration().uffds()[number];
            self.engine.waker(number).bell().into_iter().for_each(|bell| bell.end(uffd));
            join(ringer);
        }
        // Who still waits is woken when the RAM is unregistered.
        self.engine.account().waits().forget(0..usize::MAX);
    }
}
