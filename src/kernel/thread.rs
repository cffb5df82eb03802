//! Threads that leave the process's signals alone, and where they run.

use std::ffi::{c_int, c_void};
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;
#[cfg(not(all(test, shuttle)))]
use std::thread::JoinHandle;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use nix::errno::Errno;
use nix::sched::{sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::unistd::{Pid, getpid};

use super::before::{Call, before};
use crate::error::{Error, Result};

pub(crate) use nix::sched::CpuSet;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// PTHREAD_CANCEL_DISABLE.
const DISABLE: c_int = 1;

/// While it lives, pthread_cancel() of this thread has no effect: the request waits.
pub(crate) struct Uncancelable {
    before: c_int,
    /// It belongs to this thread.
    _not_send: PhantomData<*const c_void>,
}

impl Uncancelable {
    pub fn new() -> Self {
        let mut before = DISABLE;
        // SAFETY: it writes just this number; it fails for no state but an invalid one.
        unsafe { pthread_setcancelstate(DISABLE, &mut before) };
        Self { before, _not_send: PhantomData }
    }
}

impl Drop for Uncancelable {
    fn drop(&mut self) {
        // SAFETY: the state is the one of before. A request that waits is acted upon at the thread's next cancellation point,
        // which this is not, unless the thread has asked for asynchronous cancellation: the header forbids that.
        unsafe { pthread_setcancelstate(self.before, ptr::null_mut()) };
    }
}

/// What a thread's own code raises: a handler of the program has to see it.
const SYNCHRONOUS: [Signal; 6] =
    [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGTRAP, Signal::SIGSYS];

/// Starts a thread that has all signals blocked but those which its own code raises, the stack that the program's other threads
/// have, and that cannot be canceled.
#[cfg(not(all(test, shuttle)))]
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    start(name, |builder| builder.spawn(move || uncancelable(body)))
}

/// The same for one that does not outlive a scope.
pub(crate) fn spawn_scoped<'scope>(
    name: &str,
    scope: &'scope Scope<'scope, '_>,
    body: impl FnOnce() + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, ()>> {
    start(name, |builder| builder.spawn_scoped(scope, move || uncancelable(body)))
}

fn start<T>(name: &str, spawn: impl FnOnce(Builder) -> io::Result<T>) -> Result<T> {
    let builder = Builder::new().name(name.to_owned());
    let builder = match default_stack() {
        Some(bytes) => builder.stack_size(bytes),
        None => builder,
    };
    let spawn = || spawn(builder);
    let spawned = before(Call::Spawn).map_err(io::Error::from).and_then(|()| with_signals_blocked(spawn));
    spawned.map_err(|error| {
        let limits = if error.raw_os_error() == Some(libc::EAGAIN) {
            ": there are too many threads, or there is no memory for a stack; see the limits RLIMIT_NPROC (ulimit -u), pids.max of \
             the cgroup, kernel.threads-max, RLIMIT_AS (ulimit -v)"
        } else {
            ""
        };
        Error::io(&error, format_args!("starting the thread {name}{limits}"))
    })
}

fn uncancelable(body: impl FnOnce()) {
    let _always = Uncancelable::new();
    body();
}

/// The stack of a thread that pthread_create() starts without being told: callbacks are written for that.
fn default_stack() -> Option<usize> {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: it makes attributes of what is given.
    if unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let mut bytes = 0;
    // SAFETY: they have been made, are read, and then given back.
    let result = unsafe {
        let result = libc::pthread_attr_getstacksize(attributes.as_ptr(), &mut bytes);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        result
    };
    (result == 0 && bytes > 0).then_some(bytes)
}

/// Runs `spawn` with the signals blocked on this thread that are to be blocked on the threads it starts.
fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    let mut before = SigSet::empty();
    // Both calls can fail for an invalid `how` only.
    let mut blocked = SigSet::all();
    SYNCHRONOUS.into_iter().for_each(|signal| blocked.remove(signal));
    let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&blocked), Some(&mut before));
    let result = spawn();
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    result
}

/// The CPUs that a thread (0: this one) may run on. Fails with EINVAL where a [`CpuSet`] is too small for the host.
pub(crate) fn affinity(thread: u32) -> nix::Result<CpuSet> {
    before(Call::GetAffinity)?;
    sched_getaffinity(Pid::from_raw(thread as i32))
}

/// Whether a thread is one of this process, and leaves its CPU to others now and then: no real-time or deadline policy.
pub(crate) fn shares_its_cpu(thread: u32) -> bool {
    let id = thread as i32;
    let is_ours = before(Call::Tgkill).and_then(|()| {
        // SAFETY: signal 0 is none: it only looks whether there is such a thread.
        Errno::result(unsafe { libc::syscall(libc::SYS_tgkill, getpid().as_raw(), id, 0) })
    });
    let policy = is_ours.and_then(|_| before(Call::GetScheduler)).and_then(|()| {
        // Not by the C library: musl's refuses.
        // SAFETY: it only asks.
        Errno::result(unsafe { libc::syscall(libc::SYS_sched_getscheduler, id) })
    });
    policy.is_ok_and(|policy| {
        !matches!(policy as i32 & !libc::SCHED_RESET_ON_FORK, libc::SCHED_FIFO | libc::SCHED_RR | libc::SCHED_DEADLINE)
    })
}

/// Lets this thread run on these CPUs only.
pub(crate) fn set_own_affinity(cpus: &CpuSet) -> nix::Result<()> {
    before(Call::SetAffinity)?;
    sched_setaffinity(Pid::from_raw(0), cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_threads_of_this_process_are_followed() {
        assert!(shares_its_cpu(nix::unistd::gettid().as_raw() as u32));
        // Of another process, and none at all; so is a kernel thread.
        assert!(!shares_its_cpu(nix::unistd::getppid().as_raw() as u32));
        assert!(!shares_its_cpu(u32::MAX >> 1));
    }
}
