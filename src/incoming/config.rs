//! How a caller describes an incoming side, and what it is called back for.

use std::ffi::CStr;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Incoming;
use super::fault::PageHandler;
use crate::error::{Error, Result, ensure};

/// The description of an incoming side. The default: no callbacks, one fault thread, messages on stderr.
#[derive(Clone)]
pub struct Config {
    /// Keep account of how long the vCPUs wait; needs `vcpus` and [`Hooks::vcpu_index`].
    pub blocktime: bool,
    /// [`Incoming::postcopy_setup`] allocates a second channel and runs [`Hooks::preempt_run`].
    pub preempt: bool,
    /// Serve faults of user mode only (Linux 5.11), which any user may.
    pub user_mode_only: bool,
    /// Track what is discarded while armed (madvise): it is zeros afterwards, at whatever moment. Without, a discard can lose
    /// against the placing of the same page. Each fault then goes through one thread more.
    pub track_discards: bool,
    /// Poison pages of private anonymous memory that cannot be had (Linux 6.6): who touches one gets SIGBUS, and all else
    /// goes on. Without, and elsewhere, everything pauses.
    pub poison: bool,
    /// What [`Incoming::postcopy_setup`] installs.
    pub page_handler: Option<Arc<dyn PageHandler>>,
    /// How many vCPUs blocktime is kept for.
    pub vcpus: u32,
    /// How many fault threads serve; 0 and 1: one. At most 64.
    pub fault_threads: u32,
    /// How long, in microseconds, a fault thread looks for the next fault before it sleeps, at most: less where that finds
    /// nothing, and never where fault threads and loader threads at work are as many as there are CPUs, or at the CPU of a
    /// pinned thread that faults alone, where a fault thread goes by itself.
    pub spin_us: u32,
    /// The callbacks.
    pub hooks: Arc<dyn Hooks>,
}

impl Config {
    /// The most fault threads, and the most loader threads.
    pub(crate) const MOST_THREADS: u32 = 64;

    /// The longest time to spin, in microseconds.
    pub(crate) const MOST_SPIN_US: u32 = 1000;

    /// How many vCPUs blocktime can be kept for.
    pub(crate) const MOST_VCPUS: u32 = 65536;

    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            self.fault_threads <= Self::MOST_THREADS,
            EINVAL,
            "{} fault threads are more than {}",
            self.fault_threads,
            Self::MOST_THREADS
        );
        ensure!(
            self.spin_us <= Self::MOST_SPIN_US,
            EINVAL,
            "spinning for {} us is longer than {} us",
            self.spin_us,
            Self::MOST_SPIN_US
        );
        ensure!(self.vcpus <= Self::MOST_VCPUS, EINVAL, "{} vCPUs are more than {}", self.vcpus, Self::MOST_VCPUS);
        ensure!(!self.blocktime || self.vcpus > 0, EINVAL, "blocktime is asked for, of 0 vCPUs");
        Ok(())
    }

    pub(super) fn fault_threads(&self) -> usize {
        self.fault_threads.max(1) as usize
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            blocktime: false,
            preempt: false,
            user_mode_only: false,
            track_discards: false,
            poison: false,
            page_handler: None,
            vcpus: 0,
            fault_threads: 0,
            spin_us: 0,
            hooks: Arc::new(NoHooks),
        }
    }
}

/// The caller's callbacks; each has a default that does nothing special. They run on threads of the library unless
/// they say otherwise. They must not touch guest RAM that may be missing, and what waits for callbacks
/// ([`Incoming::cleanup`], [`Incoming::pause`] and others) answers EDEADLK from within one.
pub trait Hooks: Send + Sync {
    /// Whether [`Hooks::ram_blocks`] adds the RAM blocks at each set-up.
    fn supplies_ram_blocks(&self) -> bool {
        false
    }

    /// Adds the RAM blocks as they are now: called by each set-up, on the caller's thread, with an empty table.
    fn ram_blocks(&self, incoming: &Incoming) -> Result<()> {
        let _ = incoming;
        Ok(())
    }

    /// The last step of a set-up before the preempt thread, on the caller's thread: faults are served. An error undoes
    /// the set-up.
    fn setup_done(&self, incoming: &Incoming) -> Result<()> {
        let _ = incoming;
        Ok(())
    }

    /// The body of the preempt thread; returns when told to quit or done.
    fn preempt_run(&self, incoming: &Incoming) {
        let _ = incoming;
    }

    /// Makes [`Hooks::preempt_run`] return; on the thread that cleans up.
    fn preempt_quit(&self) {}

    /// The first thing on each thread of the library.
    fn thread_start(&self, name: &CStr) {
        let _ = name;
    }

    /// The last thing on each thread of the library.
    fn thread_stop(&self, name: &CStr) {
        let _ = name;
    }

    /// Which vCPU a thread (its kernel thread id) runs.
    fn vcpu_index(&self, thread_id: u32) -> Option<u32> {
        let _ = thread_id;
        None
    }

    /// A fresh userfaultfd of this process from a privileged helper, once for each fault thread of each set-up, on the
    /// caller's thread. `None`: the library opens its own.
    fn open_userfaultfd(&self) -> Option<Result<OwnedFd>> {
        None
    }

    /// Something happened; on the thread that made it happen.
    fn event(&self, event: &Event) {
        let _ = event;
    }

    /// A message.
    fn log(&self, level: LogLevel, message: &str) {
        level.to_stderr(message);
    }
}

/// No callbacks at all.
struct NoHooks;

impl Hooks for NoHooks {}

/// What a main loop may want to know without sitting in [`Incoming::wait`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A pause begins: faults queue until [`Incoming::resume`]. Nothing new is begun; what is running may go on for a while.
    /// `None`: [`Incoming::pause`]; a failure during such a pause is told of once more, with the reason.
    Paused(Option<Error>),
    /// [`Incoming::resume`] is about to end a pause. A clean-up ends one without this.
    Resumed,
    /// Pages could not be had from their source. They stay missing, and are asked for again after [`Incoming::resume`]; or
    /// they are poisoned, if the configuration says so.
    SourceError(Error),
    /// A snapshot load has placed every page.
    Complete,
    /// A snapshot load has nothing left to load, and is not complete: it has poisoned pages. Placing them heals them.
    Poisoned(Error),
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is worse than it could be; nothing is lost.
    Warning,
    /// Worth knowing.
    Info,
}

impl LogLevel {
    /// Writes a message where messages go by default.
    pub(crate) fn to_stderr(self, message: &str) {
        // A closed stderr is no reason to fail.
        let _ = writeln!(std::io::stderr(), "uffd-incoming: {message}");
    }
}
