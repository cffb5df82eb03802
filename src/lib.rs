//! Lazy RAM for virtual machine monitors.
//!
//! A VMM gives this library its RAM blocks and a callback, and the library makes every missing page of that RAM arrive
//! on demand: from a migration source (postcopy) or from a snapshot file. It owns the userfaultfd, the fault threads,
//! the eventfd that ends them and the temporary pages; the RAM stays the VMM's.
//!
//! Most users are C programs: see `include/uffd-incoming.h`, which is generated from [`abi`]. The Rust API says the
//! same thing: [`Incoming`] is a `mis`, [`Hooks`] are its callbacks, [`PageHandler`] is its `PostcopyPageHandler`.
//!
//! # The life of an incoming side
//!
//! attached → armed ⇄ paused → complete → attached again (cleanup) → gone (detach). Any failure inside a set-up returns
//! to attached, and nothing of the set-up is left.
//!
//! # The rooms
//!
//! Dependencies point one way: `abi` → `snapshot` → `incoming` → `memory` → `kernel` → `error`.
//!
//! - [`abi`]: the C ABI. Checks, translates, calls, translates back.
//! - `snapshot`: what a snapshot file holds, and loading it.
//! - `incoming`: the engine. Set-up and clean-up, fault threads, placing, pausing, blocktime.
//! - `memory`: RAM blocks, their address table, which pages have been received, temporary pages.
//! - `kernel`: Linux. The only system calls.
//! - `stats`: counters.
//! - `sync`: the locks and atomics of what is model-checked.
//! - `fuzzing`: what the fuzzers do; in no ordinary build.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("uffd-incoming needs 64-bit Linux");

pub mod abi;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod incoming;
mod kernel;
mod memory;
mod snapshot;
mod stats;
mod sync;

pub use error::{Error, Result};
pub use incoming::{
    BlocktimeReport, Config, Event, Fault, Hooks, Incoming, LogLevel, PageHandler, SharedClient, Waited,
};
#[cfg(feature = "fault-injection")]
#[doc(hidden)]
pub use kernel::injection;
pub use kernel::{Host, SharedMessage, page_size, probe};
pub use memory::{BlockId, RamBlockSpec};
pub use snapshot::{LoadConfig, Snapshot, SnapshotBlock, load};
pub use stats::{LATENCY_BUCKETS, Statistics};
