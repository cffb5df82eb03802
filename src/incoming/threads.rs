//! Threads of the library: named, with all signals blocked, announced to the caller, and joined.

use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::callbacks::Callbacks;
use super::config::LogLevel;
use crate::error::{Result, error, panic_message};
use crate::sync::{self, JoinHandle};

/// Starts a thread. `body` runs between `thread_start` and `thread_stop`; a panic in it is reported.
pub(super) fn spawn(name: &str, callbacks: Callbacks, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread_name = CString::new(name).map_err(|_| error!(EINVAL, "a thread name holds a NUL byte"))?;
    let run = move || {
        callbacks.infallible("the thread_start callback", (), |hooks| hooks.thread_start(&thread_name));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
            let words = panic_message(&*panic);
            callbacks
                .log(LogLevel::Error, &format!("internal error, please report it: thread {thread_name:?}: {words}"));
        }
        callbacks.infallible("the thread_stop callback", (), |hooks| hooks.thread_stop(&thread_name));
    };
    sync::spawn(name, run)
}

/// Waits for a thread to end. It reports its own panics, so there is nothing to learn from it.
pub(super) fn join(thread: JoinHandle<()>) {
    let _ = thread.join();
}
