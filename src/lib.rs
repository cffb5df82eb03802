//! Lazy RAM for virtual machine monitors.
//!
//! A VMM gives this library its RAM blocks and a callback, and the library makes every missing page of that RAM arrive
//! on demand: from a migration source (postcopy) or from a snapshot file. It owns the userfaultfd, the fault threads,
//! the eventfd that ends them and the temporary pages; the RAM stays the VMM's.
//!
//! Most users are C programs: see `include/uffd-incoming.h`, which is generated from [`abi`]. The Rust API says the
//! same thing: [`Incoming`] is a `mis`, [`Hooks`] are its callbacks, [`PageHandler`] is its `PostcopyPageHandler`.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use uffd_incoming::{BlockId, Config, Incoming, LoadConfig, RamBlockSpec, Result, Snapshot, load};
//! /// Lets a guest run while its RAM, one block at a host address, arrives from a snapshot.
//! fn restore(ram: usize, run_vcpus: impl FnOnce()) -> Result<()> {
//!     let snapshot = Arc::new(Snapshot::open("vm.mapped-ram".as_ref())?);
//!     let length = snapshot.blocks()[0].length();
//!     let incoming = Incoming::new(Config::default())?;
//!     let block = RamBlockSpec { idstr: "pc.ram".into(), host: ram, length, page_size: 4096 };
//!     // SAFETY: it stays mapped, and no reference points into it.
//!     unsafe { incoming.add_ram_block(BlockId(0), block) }?;
//!     load(&incoming, &snapshot, &LoadConfig::default())?;
//!     run_vcpus();
//!     incoming.wait(None)?; // until every page is in place
//!     incoming.cleanup()
//! }
//! ```
//!
//! # The life of an incoming side
//!
//! attached → armed ⇄ paused → complete → attached again (cleanup) → gone (detach). Any failure inside a set-up returns
//! to attached, and nothing of the set-up is left.
//!
//! # The modules
//!
//! Dependencies point one way: `abi` → `incoming` → `loading` → `engine` → `source` → `memory` → `kernel` → `error`. They do inside
//! of each module, too: its first lines say in which order.
//!
//! - [`abi`]: the C ABI. Checks, translates, calls, translates back.
//! - `incoming`: the life of an incoming side: set-up, clean-up, and what a caller does in between.
//! - `loading`: a snapshot load: faults first, everything else in the background.
//! - `engine`: fault threads, placing, requests, pauses, discards, poisoning, shared descriptors, blocktime.
//! - `source`: where pages come from: the files of snapshots, or a handler of the caller's.
//! - `memory`: RAM blocks, their address table, which pages have been received, temporary pages.
//! - `kernel`: Linux. The only system calls.
//! - `probes`: what tracers can watch.
//! - `stats`: counters.
//! - `sync`: the locks and atomics of what is model-checked.
//! - `fuzzing`: what the fuzzers do; in no ordinary build.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("uffd-incoming needs 64-bit Linux");

pub mod abi;
mod engine;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod incoming;
mod kernel;
mod loading;
mod memory;
mod probes;
mod source;
mod stats;
mod sync;

pub use engine::{AddRamBlock, BlocktimeReport, Event, Hooks, LogLevel, SharedClient, Waited};
pub use error::{Error, Result};
pub use incoming::{Config, Incoming, load};
#[cfg(feature = "fault-injection")]
#[doc(hidden)]
pub use kernel::injection;
pub use kernel::{Host, SharedMessage, page_size, probe};
pub use loading::{LoadConfig, Touched, WorkingSet};
pub use memory::{BlockId, RamBlockSpec};
pub use source::{Fault, PageHandler, Snapshot, SnapshotBlock, SnapshotFormat};
pub use stats::{BlockStatistics, LATENCY_BUCKETS, Statistics};
