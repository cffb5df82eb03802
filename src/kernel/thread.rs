//! Threads that leave the process's signals alone.

use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

/// Runs `spawn` with all signals blocked on this thread, so that the threads it starts are born with all blocked.
pub(crate) fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    let mut before = SigSet::empty();
    // Both calls can fail for an invalid `how` only.
    let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before));
    let result = spawn();
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    result
}
