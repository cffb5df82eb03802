//! An incoming side with an eye on it: whatever fails, it has to say so and pause, and go on when it is told to.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use uffd_incoming::injection;
use uffd_incoming::{Config, Error, Event, Hooks, Incoming, LogLevel, Result};

use super::left_behind::Resources;
use super::plan::Until;
use super::ram::Touchers;
use super::run::{Abandoned, Run};

/// How often workers that are paused may call at most: others may be on their way, and faults are read on. One that asked
/// again and again would call thousands of times.
const CALLS_AT_REST: usize = 100;

pub struct Rig<'a> {
    pub run: &'a Run<'a>,
    pub incoming: Arc<Incoming>,
    pub watcher: Arc<Watcher>,
    /// What there was before the set-up.
    before: Resources,
    pauses: Cell<usize>,
    /// The scenario itself has ended a pause: whatever failed at that time may have been resumed by that.
    resumed: Cell<bool>,
}

/// Keeps what the incoming side says.
#[derive(Default)]
pub struct Watcher {
    /// Opens the userfaultfds, if it is not for the library to do.
    open: Option<fn() -> OwnedFd>,
    failure: Mutex<Option<Error>>,
    complete: Mutex<bool>,
    messages: Mutex<Vec<String>>,
}

impl Hooks for Watcher {
    fn event(&self, event: &Event) {
        match event {
            Event::Paused(Some(error)) => *self.failure.lock().unwrap() = Some(error.clone()),
            Event::Complete => *self.complete.lock().unwrap() = true,
            _ => {}
        }
    }

    fn log(&self, _level: LogLevel, message: &str) {
        self.messages.lock().unwrap().push(message.to_owned());
    }

    fn open_userfaultfd(&self) -> Option<Result<OwnedFd>> {
        self.open.map(|open| Ok(open()))
    }
}

impl Watcher {
    pub fn opening(open: fn() -> OwnedFd) -> Self {
        Self { open: Some(open), ..Self::default() }
    }

    /// Whether there was a message with these words.
    pub fn was_told(&self, words: &str) -> bool {
        self.messages.lock().unwrap().iter().any(|message| message.contains(words))
    }
}

impl<'a> Rig<'a> {
    pub fn new(run: &'a Run<'a>, fault_threads: u32, watcher: Watcher) -> Self {
        Self::with(run, Config { fault_threads, ..Config::default() }, watcher)
    }

    pub fn with(run: &'a Run<'a>, config: Config, watcher: Watcher) -> Self {
        let watcher = Arc::new(watcher);
        let config = Config { hooks: watcher.clone(), ..config };
        let incoming = Incoming::new(config).unwrap();
        Self { run, incoming, watcher, before: Resources::count(), pauses: Cell::new(0), resumed: Cell::new(false) }
    }

    /// A set-up of any kind: all or nothing.
    pub fn set_up(&self, set_up: impl Fn() -> Result<()>) -> Result<(), Abandoned> {
        let before = Resources::count();
        let nothing = || {
            assert_eq!(self.incoming.cleanup(), Ok(()), "a failed set-up is as good as none");
            before.check("a failed set-up");
        };
        self.run.set_up("a set-up", set_up, nothing)
    }

    /// Waits until something has come to pass. Whatever fails meanwhile has to pause, and is resumed.
    pub fn until(&self, come_to_pass: impl Fn() -> bool) -> Result<(), Abandoned> {
        self.until_done(|| Ok(come_to_pass()))
    }

    /// The same where something is to be done for that.
    pub fn until_done(&self, do_it: impl Fn() -> Result<bool, Abandoned>) -> Result<(), Abandoned> {
        while !do_it()? {
            self.look_after()?;
            thread::sleep(Duration::from_micros(50));
        }
        Ok(())
    }

    /// Ends a pause of the scenario's own.
    pub fn resume(&self) {
        self.resumed.set(true);
        self.incoming.resume().unwrap();
    }

    /// Resumes if something has failed, and that is as it should be.
    fn look_after(&self) -> Result<(), Abandoned> {
        let Some(error) = self.watcher.failure.lock().unwrap().take() else { return Ok(()) };
        self.run.check(&error, "serving");
        self.run.outcomes.borrow_mut().paused += 1;
        let resumed = self.resumed.take();
        assert!(resumed || self.incoming.stats().paused, "a failure that was told does not pause: {error}");
        if !resumed {
            // Who had a page in hand may still have placed it, and that may have been the last one.
            self.incoming.pause().unwrap();
        }
        let is_load = self.incoming.stats().bytes_total > 0;
        if is_load && !resumed && !self.incoming.stats().complete {
            assert_eq!(self.incoming.wait(None), Err(error.clone()));
            assert_eq!(self.incoming.cleanup().unwrap_err().errno(), libc::EBUSY, "a clean-up amid a load");
        }
        if self.run.plan.is_some_and(|plan| plan.until != Until::Once) {
            self.check_rest();
        }
        self.pauses.set(self.pauses.get() + 1);
        self.run.seen(self.pauses.get(), "serving")?;
        self.incoming.resume().unwrap();
        Ok(())
    }

    /// What has paused does not ask again and again.
    fn check_rest(&self) {
        self.incoming.pause().unwrap();
        let calls = || injection::Call::ALL.iter().map(|call| injection::counters().calls(*call)).sum::<usize>();
        let before = calls();
        thread::sleep(Duration::from_millis(2));
        let made = calls() - before;
        assert!(made <= CALLS_AT_REST, "{made} system calls during a pause");
    }

    /// Ends what was played: cleans up, or aborts where it was abandoned. Nothing is left behind.
    pub fn end(&self, played: Result<(), Abandoned>, touchers: Touchers) {
        match played {
            Ok(()) => {
                touchers.join();
                assert_eq!(self.incoming.cleanup(), Ok(()));
            }
            Err(Abandoned) => {
                self.run.outcomes.borrow_mut().aborted += 1;
                touchers.abandon();
                assert_eq!(self.incoming.abort(), Ok(()));
                touchers.join();
            }
        }
        let stats = self.incoming.stats();
        assert!(!stats.paused && stats.fault_threads == 0, "it is not over: {stats:?}");
        self.before.check("a clean-up");
    }

    /// Waits until a load says that it is complete.
    pub fn until_complete(&self) -> Result<(), Abandoned> {
        self.until(|| match self.incoming.wait(Some(Duration::ZERO)) {
            Ok(()) => true,
            Err(error) if error.errno() == libc::ETIMEDOUT => false,
            Err(error) => {
                self.run.check(&error, "waiting for a load");
                false
            }
        })?;
        assert!(self.incoming.stats().complete);
        self.until(|| *self.watcher.complete.lock().unwrap())
    }
}
