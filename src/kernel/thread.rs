//! Threads that leave the process's signals alone, and where they run.

use std::io;
#[cfg(not(all(test, shuttle)))]
use std::thread::JoinHandle;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use nix::sched::{sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::unistd::Pid;

use super::call::{Call, before};
use crate::error::{Error, Result};

pub(crate) use nix::sched::CpuSet;

/// Starts a thread that has all signals blocked.
#[cfg(not(all(test, shuttle)))]
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    start(name, |builder| builder.spawn(body))
}

/// The same for one that does not outlive a scope.
pub(crate) fn spawn_scoped<'scope>(
    name: &str,
    scope: &'scope Scope<'scope, '_>,
    body: impl FnOnce() + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, ()>> {
    start(name, |builder| builder.spawn_scoped(scope, body))
}

fn start<T>(name: &str, spawn: impl FnOnce(Builder) -> io::Result<T>) -> Result<T> {
    let spawn = || spawn(Builder::new().name(name.to_owned()));
    let spawned = before(Call::Spawn).map_err(io::Error::from).and_then(|()| with_signals_blocked(spawn));
    spawned.map_err(|error| Error::io(&error, format_args!("starting the thread {name}")))
}

/// Runs `spawn` with all signals blocked on this thread, so that the threads it starts are born with all blocked.
fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    let mut before = SigSet::empty();
    // Both calls can fail for an invalid `how` only.
    let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before));
    let result = spawn();
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    result
}

/// The CPUs that a thread (0: this one) may run on. Fails with EINVAL where a [`CpuSet`] is too small for the host.
pub(crate) fn affinity(thread: u32) -> nix::Result<CpuSet> {
    before(Call::GetAffinity)?;
    sched_getaffinity(Pid::from_raw(thread as i32))
}

/// Lets this thread run on these CPUs only.
pub(crate) fn set_own_affinity(cpus: &CpuSet) -> nix::Result<()> {
    before(Call::SetAffinity)?;
    sched_setaffinity(Pid::from_raw(0), cpus)
}
