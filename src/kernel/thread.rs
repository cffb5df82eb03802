//! Threads that leave the process's signals alone, and where they run.

use nix::sched::{sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::unistd::Pid;

pub(crate) use nix::sched::CpuSet;

/// Runs `spawn` with all signals blocked on this thread, so that the threads it starts are born with all blocked.
pub(crate) fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    let mut before = SigSet::empty();
    // Both calls can fail for an invalid `how` only.
    let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before));
    let result = spawn();
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    result
}

/// The CPUs that a thread (0: this one) may run on. Fails with EINVAL where a [`CpuSet`] is too small for the host.
pub(crate) fn affinity(thread: u32) -> nix::Result<CpuSet> {
    sched_getaffinity(Pid::from_raw(thread as i32))
}

/// Lets this thread run on these CPUs only.
pub(crate) fn set_own_affinity(cpus: &CpuSet) -> nix::Result<()> {
    sched_setaffinity(Pid::from_raw(0), cpus)
}
