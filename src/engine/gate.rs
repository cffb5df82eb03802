//! The gate that every worker (a fault thread or a loader thread) passes before it does a piece of work: pausing,
//! resuming, ending, and waiting until no worker is at work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result, error};
use crate::probes;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use crate::sync::{Condvar, Mutex};

/// What a piece of work is on, where it is on no RAM block.
pub(crate) const NO_BLOCK: usize = usize::MAX - 1;

/// No worker waits here while the gate is open: passing costs a store and a load. The store (busy) and the load
/// (closed) mirror those of the thread that closes the gate and then looks for busy workers; both are sequentially consistent,
/// so one of the two sees the other.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Paused or ending.
    closed: AtomicBool,
    /// How often the caller has resumed.
    resumes: AtomicU64,
    /// How many threads wait for something that changes outside the lock: a [`Busy`], or a condition of their own.
    watchers: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

/// What a worker is at: 0, or 1 + the block's index. On a cache line of its own: each worker writes its own all the time.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Busy(AtomicUsize);

/// A worker's place at the gate, which it owns.
#[derive(Debug)]
pub(crate) struct Seat {
    gate: Arc<Gate>,
    busy: Arc<Busy>,
}

#[derive(Debug, Default)]
struct State {
    /// Of each worker.
    busy: Vec<Arc<Busy>>,
    paused: Option<Pause>,
    ending: bool,
    /// Nothing is left to load: every page is in place, or why some are not.
    loaded: Option<Result<()>>,
    /// No clean-up waits for urgent pages any more.
    skips_urgent_wait: bool,
    /// Workers are kept out, whether there is a pause or not.
    held: bool,
}

/// Why there is a pause.
#[derive(Clone, Debug)]
enum Pause {
    Asked,
    Failed(Error),
}

/// What may keep the workers from their work, as it is now.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    /// What a pause is for, if there is one.
    pub paused: Option<&'a str>,
    pub ending: bool,
    pub workers: usize,
    /// How many of them are at a piece of work.
    pub at_work: usize,
}

/// All is being undone: the worker returns.
#[derive(Debug)]
pub(crate) struct Ending;

/// Leave to do one piece of work, until it is dropped. A worker has one at a time.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    seat: &'a mut Seat,
    resumes: u64,
}

impl Gate {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            closed: AtomicBool::new(false),
            resumes: AtomicU64::new(0),
            watchers: AtomicUsize::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// A place for one more worker.
    pub fn add_worker(self: &Arc<Self>) -> Seat {
        let busy = Arc::new(Busy::default());
        self.state.lock().busy.push(busy.clone());
        Seat { gate: self.clone(), busy }
    }

    /// Wakes the threads that watch something which has just changed outside the lock.
    pub fn poke(&self) {
        if self.watchers.load(SeqCst) > 0 {
            // Under the lock, so that a watcher is either before its check or asleep.
            let _state = self.state.lock();
            self.changed.notify_all();
        }
    }

    /// A piece of work has failed, whose pass said that the caller had resumed `resumes` times when it began. True when this
    /// begins a pause, or gives one its reason. False when the caller has resumed since: then the work is tried again at once.
    pub fn fail(&self, resumes: u64, error: Error) -> bool {
        self.change(|state| {
            // The first reason is the one to tell; being asked to pause is none.
            let pauses = self.resumes.load(SeqCst) == resumes
                && !state.ending
                && !matches!(state.paused, Some(Pause::Failed(_)));
            if pauses {
                probes::pause(error.errno());
                state.paused = Some(Pause::Failed(error));
            }
            pauses
        })
    }

    /// Begins a pause. False when there was one already.
    pub fn pause(&self) -> bool {
        self.change(|state| {
            let pauses = state.paused.is_none() && !state.ending;
            if pauses {
                probes::pause(0);
                state.paused = Some(Pause::Asked);
            }
            pauses
        })
    }

    /// Ends a pause, if there is one.
    pub fn resume(&self) {
        self.change(|state| {
            // Under the lock, so that a failure is judged either before or after.
            probes::resume(self.resumes.fetch_add(1, SeqCst) + 1);
            state.paused = None;
        });
    }

    /// Ends everything: workers return from [`Seat::enter`], waiters from their waits.
    pub fn end(&self) {
        self.change(|state| {
            state.ending = true;
            state.paused = None;
        });
    }

    /// Nothing is left to load: every page is in place, or why some are not, which may yet change. True when that is news.
    pub fn set_loaded(&self, outcome: Result<()>) -> bool {
        self.change(|state| {
            let news = state.loaded.as_ref().is_none_or(|before| before.is_err() && outcome.is_ok());
            if news {
                state.loaded = Some(outcome);
            }
            news
        })
    }

    /// Changes the state: workers and waiters look at it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        self.closed.store(state.paused.is_some() || state.held || state.ending, SeqCst);
        self.changed.notify_all();
        result
    }

    /// Waits until no worker is at work, or the pause is over.
    pub fn wait_idle(&self) {
        self.watch(|state| state.paused.is_none() || state.is_idle());
    }

    /// Waits until no worker is at work, and keeps all from it until [`Gate::let_in`] or [`Gate::end`].
    pub fn keep_out(&self) {
        self.change(|state| state.held = true);
        self.watch(State::is_idle);
    }

    /// Ends [`Gate::keep_out`]; a pause stays one.
    pub fn let_in(&self) {
        self.change(|state| state.held = false);
    }

    /// Waits until no worker is at work on a block.
    pub fn wait_idle_on(&self, block: usize) {
        self.watch(|state| state.busy.iter().all(|busy| busy.0.load(SeqCst) != block + 1));
    }

    /// Waits until a condition holds that [`Gate::poke`] follows, or there is a pause, or [`Gate::skip_urgent_wait`].
    pub fn wait_unpaused_until(&self, condition: impl Fn() -> bool) {
        self.watch(|state| state.paused.is_some() || state.skips_urgent_wait || condition());
    }

    /// Ends all waits of [`Gate::wait_unpaused_until`].
    pub fn skip_urgent_wait(&self) {
        self.change(|state| state.skips_urgent_wait = true);
    }

    /// Whether [`Gate::skip_urgent_wait`] was called.
    pub fn skips_urgent_wait(&self) -> bool {
        self.state.lock().skips_urgent_wait
    }

    fn watch(&self, condition: impl Fn(&State) -> bool) {
        self.watchers.fetch_add(1, SeqCst);
        let mut state = self.state.lock();
        while !condition(&state) {
            self.changed.wait(&mut state);
        }
        self.watchers.fetch_sub(1, SeqCst);
    }

    /// Waits until [`Gate::set_loaded`]: what that said, ETIMEDOUT, the reason of a pause after a failure, ECANCELED.
    pub fn wait_complete(&self, timeout: Option<Duration>) -> Result<()> {
        // A time too far away to be told is as good as never.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.state.lock();
        loop {
            if let Some(outcome) = &state.loaded {
                return outcome.clone();
            }
            if let Some(Pause::Failed(error)) = &state.paused {
                return Err(error.clone());
            }
            if state.ending {
                return Err(error!(ECANCELED, "the load was aborted"));
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) => {
                    if self.changed.wait_until(&mut state, deadline).timed_out() && state.loaded.is_none() {
                        return Err(error!(ETIMEDOUT, "not every page is in place yet"));
                    }
                }
            }
        }
    }

    /// Has a look, unless another thread is just changing something.
    pub fn try_look<T>(&self, look: impl FnOnce(Look<'_>) -> T) -> Option<T> {
        let state = self.state.try_lock()?;
        let paused = state.paused.as_ref().map(|pause| match pause {
            Pause::Asked => "the caller has asked for it",
            Pause::Failed(error) => error.message(),
        });
        let at_work = state.busy.iter().filter(|busy| busy.0.load(SeqCst) != 0).count();
        Some(look(Look { paused, ending: state.ending, workers: state.busy.len(), at_work }))
    }

    pub fn is_ending(&self) -> bool {
        self.closed.load(SeqCst) && self.state.lock().ending
    }

    pub fn is_paused(&self) -> bool {
        self.closed.load(SeqCst) && self.state.lock().paused.is_some()
    }

    /// Whether nothing is left to load.
    pub fn is_loaded(&self) -> bool {
        self.state.lock().loaded.is_some()
    }

    /// Whether every page is in place.
    pub fn is_complete(&self) -> bool {
        matches!(self.state.lock().loaded, Some(Ok(())))
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.busy.iter().all(|busy| busy.0.load(SeqCst) == 0)
    }
}

impl Seat {
    /// Waits while paused, then lets the worker work on a block, given by its index.
    pub fn enter(&mut self, block: usize) -> Result<Pass<'_>, Ending> {
        loop {
            let resumes = self.gate.resumes.load(SeqCst);
            self.busy.0.store(block + 1, SeqCst);
            if !self.gate.closed.load(SeqCst) {
                return Ok(Pass { seat: self, resumes });
            }
            self.leave();
            let mut state = self.gate.state.lock();
            while (state.paused.is_some() || state.held) && !state.ending {
                self.gate.changed.wait(&mut state);
            }
            if state.ending {
                return Err(Ending);
            }
        }
    }

    /// Lets the worker work on a block at once, also while paused: for what must not wait, and what a removal of the block
    /// waits for all the same.
    pub fn hold(&mut self, block: usize) -> Pass<'_> {
        let resumes = self.gate.resumes.load(SeqCst);
        self.busy.0.store(block + 1, SeqCst);
        Pass { seat: self, resumes }
    }

    fn leave(&self) {
        self.busy.0.store(0, SeqCst);
        self.gate.poke();
    }
}

impl Pass<'_> {
    /// Gives the pass back; says how often the caller had resumed when the work began.
    pub fn give_back(self) -> u64 {
        self.resumes
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.seat.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    fn failure() -> Error {
        error!(EIO, "on purpose")
    }

    #[test]
    fn a_failure_pauses_and_a_resume_lets_pass() {
        let gate = Gate::new();
        let (mut first, mut second) = (gate.add_worker(), gate.add_worker());
        let pass = first.enter(0).unwrap();
        assert!(gate.fail(pass.give_back(), failure()));
        assert!(gate.is_paused());
        assert_eq!(gate.wait_complete(None).unwrap_err(), failure());
        thread::scope(|scope| {
            let (entered, was_entered) = mpsc::channel();
            let gate = &gate;
            scope.spawn(move || {
                drop(second.enter(7).unwrap());
                entered.send(()).unwrap();
            });
            assert!(was_entered.recv_timeout(Duration::from_millis(20)).is_err(), "passed a closed gate");
            gate.resume();
            was_entered.recv_timeout(Duration::from_secs(10)).expect("still shut after resume");
        });
        assert!(!gate.is_paused());
    }

    #[test]
    fn a_resume_during_the_work_repeats_it() {
        let gate = Gate::new();
        let mut seat = gate.add_worker();
        let pass = seat.enter(0).unwrap();
        gate.resume();
        assert!(!gate.fail(pass.give_back(), failure()));
        assert!(!gate.is_paused());
        // A resume before the work began counts no more.
        let pass = seat.enter(0).unwrap();
        assert!(gate.fail(pass.give_back(), failure()));
    }

    #[test]
    fn pausing_waits_for_the_worker() {
        let gate = Gate::new();
        let mut seat = gate.add_worker();
        let pass = seat.enter(3).unwrap();
        assert!(gate.pause() && !gate.pause());
        gate.wait_idle_on(2);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| gate.wait_idle());
            thread::sleep(Duration::from_millis(10));
            assert!(!waiter.is_finished());
            drop(pass);
        });
    }

    #[test]
    fn ending_frees_everybody() {
        let gate = Gate::new();
        let mut seat = gate.add_worker();
        gate.pause();
        thread::scope(|scope| {
            let worker = scope.spawn(move || seat.enter(0).is_err());
            let waiter = scope.spawn(|| gate.wait_complete(None));
            thread::sleep(Duration::from_millis(10));
            gate.end();
            assert!(worker.join().unwrap());
            assert_eq!(waiter.join().unwrap().unwrap_err().errno(), libc::ECANCELED);
        });
        assert!(gate.is_ending() && !gate.is_paused());
    }

    #[test]
    fn waiting_has_an_end() {
        let gate = Gate::new();
        assert_eq!(gate.wait_complete(Some(Duration::ZERO)).unwrap_err().errno(), libc::ETIMEDOUT);
        assert!(gate.set_loaded(Ok(())) && !gate.set_loaded(Ok(())));
        gate.wait_complete(Some(Duration::ZERO)).unwrap();
        gate.wait_complete(Some(Duration::MAX)).unwrap();
    }

    #[test]
    fn what_was_not_complete_can_become_so() {
        let gate = Gate::new();
        assert!(gate.set_loaded(Err(failure())) && !gate.set_loaded(Err(failure())));
        assert!(gate.is_loaded() && !gate.is_complete());
        assert_eq!(gate.wait_complete(None).unwrap_err(), failure());
        assert!(gate.set_loaded(Ok(())) && !gate.set_loaded(Err(failure())));
        assert!(gate.is_complete());
        gate.wait_complete(None).unwrap();
    }
}
