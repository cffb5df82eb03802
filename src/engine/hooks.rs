//! What a caller is called back for.

use std::ffi::CStr;
#[cfg(not(feature = "log"))]
use std::io::Write;
use std::os::fd::OwnedFd;

use crate::error::{Error, Result};
use crate::memory::{BlockId, RamBlockSpec};

/// Where [`Hooks::ram_blocks`] adds RAM blocks; an [`Incoming`](crate::Incoming) is one.
pub trait AddRamBlock {
    /// Adds a RAM block.
    ///
    /// # Safety
    /// As for [`Incoming::add_ram_block`](crate::Incoming::add_ram_block).
    unsafe fn add_ram_block(&self, id: BlockId, block: RamBlockSpec) -> Result<()>;
}

/// The caller's callbacks; each has a default that does nothing special. They run on threads of the library unless
/// they say otherwise. They must not touch guest RAM that may be missing, and what waits for callbacks
/// ([`Incoming::cleanup`](crate::Incoming::cleanup), [`Incoming::pause`](crate::Incoming::pause) and others) answers EDEADLK from within one.
pub trait Hooks: Send + Sync {
    /// Whether [`Hooks::ram_blocks`] adds the RAM blocks at each set-up.
    fn supplies_ram_blocks(&self) -> bool {
        false
    }

    /// Adds the RAM blocks as they are now: called by each set-up, on the caller's thread, with an empty table.
    fn ram_blocks(&self, table: &dyn AddRamBlock) -> Result<()> {
        let _ = table;
        Ok(())
    }

    /// The last step of a set-up before the preempt thread, on the caller's thread: faults are served. An error undoes
    /// the set-up.
    fn setup_done(&self) -> Result<()> {
        Ok(())
    }

    /// The body of the preempt thread; returns when told to quit or done.
    fn preempt_run(&self) {}

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

    /// Whether [`Hooks::fault`] is to be called.
    fn wants_faults(&self) -> bool {
        false
    }

    /// A thread of this process waits for the page at `offset` of a block: called for each fault before it is served, for
    /// tracing and statistics. `thread_id` is the kernel's thread id.
    fn fault(&self, block: BlockId, offset: u64, address: usize, thread_id: u32) {
        let _ = (block, offset, address, thread_id);
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

    /// A message. By default errors and warnings go to stderr; with the feature `log`, all go to the crate of that name, with the
    /// target "uffd_incoming".
    fn log(&self, level: LogLevel, message: &str) {
        level.tell(message);
    }
}

/// No callbacks at all.
pub(crate) struct NoHooks;

impl Hooks for NoHooks {}

/// What a main loop may want to know without sitting in [`Incoming::wait`](crate::Incoming::wait).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A pause begins: faults queue until [`Incoming::resume`](crate::Incoming::resume). Nothing new is begun; what is running may go on for a while.
    /// `None`: [`Incoming::pause`](crate::Incoming::pause); a failure during such a pause is told of once more, with the reason.
    Paused(Option<Error>),
    /// [`Incoming::resume`](crate::Incoming::resume) is about to end a pause. A clean-up ends one without this.
    Resumed,
    /// Pages could not be read from their source. They stay missing, and are asked for again after [`Incoming::resume`](crate::Incoming::resume); or
    /// they are poisoned, if the configuration says so.
    SourceError(Error),
    /// A snapshot load has placed every page.
    Complete,
    /// A snapshot load has nothing left to load, and is not complete: it has poisoned pages. Placing them heals them.
    Poisoned(Error),
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is worse than it could be; nothing is lost.
    Warning,
    /// Worth knowing.
    Info,
}

impl LogLevel {
    /// Tells a message where messages go by default.
    #[cfg(feature = "log")]
    pub(crate) fn tell(self, message: &str) {
        let level = match self {
            Self::Error => log::Level::Error,
            Self::Warning => log::Level::Warn,
            Self::Info => log::Level::Info,
        };
        log::log!(target: "uffd_incoming", level, "{message}");
    }

    /// Tells a message where messages go by default: on stderr, if it is of something that is not as it should be.
    #[cfg(not(feature = "log"))]
    pub(crate) fn tell(self, message: &str) {
        if self != Self::Info {
            // A closed stderr is no reason to fail.
            let _ = writeln!(std::io::stderr(), "uffd-incoming: {message}");
        }
    }
}

#[cfg(all(test, feature = "log"))]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What was logged.
    static LOGGED: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

    struct Logger;

    impl log::Log for Logger {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            if record.target() == "uffd_incoming" {
                LOGGED.lock().unwrap().push((record.level(), record.args().to_string()));
            }
        }

        fn flush(&self) {}
    }

    #[test]
    fn messages_go_to_the_crate_log() {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        NoHooks.log(LogLevel::Warning, "of the feature");
        assert!(LOGGED.lock().unwrap().contains(&(log::Level::Warn, "of the feature".into())));
    }
}
