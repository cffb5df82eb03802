//! Threads of the library: named, with all signals blocked, announced to the caller, and joined.

use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::engine::{Callbacks, LogLevel};
use crate::error::{Result, error, panic_message};
use crate::sync::{self, Condvar, JoinHandle, Mutex};

/// Starts a thread, and returns once it runs and `thread_start` has returned: whatever follows can count on it. `body` runs
/// between `thread_start` and `thread_stop`; a panic in it is reported.
pub(super) fn spawn(name: &str, callbacks: Callbacks, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread_name = CString::new(name).map_err(|_| error!(EINVAL, "a thread name holds a NUL byte"))?;
    let running = Arc::new((Mutex::new(false), Condvar::new()));
    let of_thread = running.clone();
    let run = move || {
        callbacks.infallible("the thread_start callback", (), |hooks| hooks.thread_start(&thread_name));
        *of_thread.0.lock() = true;
        of_thread.1.notify_all();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
            let words = panic_message(&*panic);
            callbacks
                .log(LogLevel::Error, &format!("internal error, please report it: thread {thread_name:?}: {words}"));
        }
        callbacks.infallible("the thread_stop callback", (), |hooks| hooks.thread_stop(&thread_name));
    };
    let thread = sync::spawn(name, run)?;
    let mut runs = running.0.lock();
    while !*runs {
        running.1.wait(&mut runs);
    }
    Ok(thread)
}

/// Waits for a thread to end. It reports its own panics, so there is nothing to learn from it.
pub(super) fn join(thread: JoinHandle<()>) {
    let _ = thread.join();
}
