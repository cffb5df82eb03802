//! How a caller describes an incoming side.

use std::sync::Arc;

use crate::engine::{Hooks, NoHooks};
use crate::error::{Result, ensure};
use crate::source::PageHandler;

/// The most fault threads, and the most loader threads.
pub(super) const MOST_THREADS: u32 = 64;

/// The longest time to spin, in microseconds.
const MOST_SPIN_US: u32 = 1000;

/// How many vCPUs blocktime can be kept for.
const MOST_VCPUS: u32 = 65536;

/// The description of an incoming side. The default: no callbacks, one fault thread, errors and warnings on stderr. A literal ends
/// with `..Config::default()`: fields may be added.
#[derive(Clone)]
pub struct Config {
    /// Keep account of how long the vCPUs wait; needs `vcpus` and [`Hooks::vcpu_index`].
    pub blocktime: bool,
    /// [`Incoming::postcopy_setup`](crate::Incoming::postcopy_setup) allocates a second channel and runs [`Hooks::preempt_run`].
    pub preempt: bool,
    /// Serve faults of user mode only (Linux 5.11), which any user may.
    pub user_mode_only: bool,
    /// Track what is discarded while armed (madvise): it is zeros afterwards, at whatever moment. Without, a discard can lose
    /// against the placing of the same page. Each fault then goes through one thread more.
    pub track_discards: bool,
    /// Poison unreadable pages of private anonymous memory (Linux 6.6): a thread that touches one gets SIGBUS, and all else
    /// goes on. Without, and elsewhere, everything pauses.
    pub poison: bool,
    /// What [`Incoming::postcopy_setup`](crate::Incoming::postcopy_setup) installs.
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
    pub(super) fn check(&self) -> Result<()> {
        let Self { fault_threads, spin_us, vcpus, blocktime, .. } = *self;
        ensure!(fault_threads <= MOST_THREADS, EINVAL, "{fault_threads} fault threads are more than {MOST_THREADS}");
        ensure!(spin_us <= MOST_SPIN_US, EINVAL, "spinning for {spin_us} us is longer than {MOST_SPIN_US} us");
        ensure!(vcpus <= MOST_VCPUS, EINVAL, "{vcpus} vCPUs are more than {MOST_VCPUS}");
        ensure!(!blocktime || vcpus > 0, EINVAL, "measuring blocktime needs the number of vCPUs, and `vcpus` is 0");
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
