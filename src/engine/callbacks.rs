//! Calling back: every hook is called through here, so that a panic in one stays there, and so that a thread knows
//! which callbacks it is inside of.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::hooks::{Event, Hooks, LogLevel};
use crate::error::{Result, ensure, error, panic_message};
use crate::sync::thread_local;

thread_local! {
    /// The owners of the callbacks that this thread is inside of.
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Which incoming side a callback belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u64);

impl Owner {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Relaxed))
    }

    /// Whether this thread is inside of a callback.
    pub fn is_inside(self) -> bool {
        INSIDE.with(|inside| inside.borrow().contains(&self.0))
    }

    /// Refuses what waits for callbacks to someone inside of one.
    pub fn refuse_inside(self, what: &str) -> Result<()> {
        ensure!(!self.is_inside(), EDEADLK, "{what} waits for callbacks, and was called from within one");
        Ok(())
    }

    /// Runs a callback. A panic in it becomes an error.
    pub fn call<T>(self, what: &str, callback: impl FnOnce() -> Result<T>) -> Result<T> {
        INSIDE.with(|inside| inside.borrow_mut().push(self.0));
        let result = catch_unwind(AssertUnwindSafe(callback));
        INSIDE.with(|inside| inside.borrow_mut().pop());
        result.unwrap_or_else(|panic| Err(error!(ENOTRECOVERABLE, "{what} panicked: {}", panic_message(&*panic))))
    }
}

/// The caller's hooks, made safe to call.
#[derive(Clone)]
pub(crate) struct Callbacks {
    pub hooks: Arc<dyn Hooks>,
    pub owner: Owner,
}

impl Callbacks {
    /// Calls a hook that can fail.
    pub fn fallible<T>(&self, what: &str, call: impl FnOnce(&dyn Hooks) -> Result<T>) -> Result<T> {
        self.owner.call(what, || call(&*self.hooks))
    }

    /// Calls a hook that cannot fail; a panic in it is reported, and `fallback` stands in for its answer.
    pub fn infallible<T>(&self, what: &str, fallback: T, call: impl FnOnce(&dyn Hooks) -> T) -> T {
        self.owner.call(what, || Ok(call(&*self.hooks))).unwrap_or_else(|error| {
            self.log(LogLevel::Error, error.message());
            fallback
        })
    }

    pub fn event(&self, event: &Event) {
        self.infallible("the event callback", (), |hooks| hooks.event(event));
    }

    pub fn log(&self, level: LogLevel, message: &str) {
        let logged = self.owner.call("the log callback", || {
            self.hooks.log(level, message);
            Ok(())
        });
        if logged.is_err() {
            level.tell(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_knows_whose_callback_it_is_inside_of() {
        let (owner, other) = (Owner::new(), Owner::new());
        owner.refuse_inside("waiting").unwrap();
        owner
            .call("outer", || {
                assert_eq!(owner.refuse_inside("waiting").unwrap_err().errno(), libc::EDEADLK);
                other.refuse_inside("waiting").unwrap();
                other.call("inner", || Ok(owner.refuse_inside("waiting").unwrap_err()))
            })
            .unwrap();
        owner.refuse_inside("waiting").unwrap();
    }

    #[test]
    fn a_panic_is_an_error_and_leaves_no_trace() {
        let owner = Owner::new();
        let error = owner.call::<()>("the test callback", || panic!("on purpose")).unwrap_err();
        assert_eq!(error.errno(), libc::ENOTRECOVERABLE);
        assert!(error.message().contains("the test callback panicked: on purpose"), "{error}");
        owner.refuse_inside("waiting").unwrap();
    }
}
