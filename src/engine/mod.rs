//! The engine: makes the missing pages of registered RAM arrive. Fault threads, placing, requests, pauses, discards, poisoning,
//! shared descriptors, blocktime. It knows nothing of snapshots: what brings a page is a [`FaultServer`].
//!
//! The files, from the lowest to the highest: each uses only what stands before it.
//!
//! - `hooks`, `callbacks`: what the caller is called back for, and how.
//! - `gate`: pausing, resuming, ending. `blocktime`, `waits`: which threads wait for which pages.
//! - `registration`: which userfaultfd serves which range. `shared`: userfaultfds of other processes.
//! - `account`: requested, received, complete.
//! - `dump`: all of that in words.
//! - `waker`: what wakes a fault thread. `discards`: RAM that the guest gives back.
//! - `engine`: all of these together.
//! - `refusals`, `placing`, `poisoning`: installing pages, and what each errno value of that means.
//! - `fault`, `handler_server`: one fault, from the gate to its page.
//! - `lane`: who of its threads reads the faults of a userfaultfd. `spin`, `following`, `concurrency`, `sleep`, `leader`, `fault_thread`, `worker`: the threads.

mod account;
mod blocktime;
mod callbacks;
mod concurrency;
mod discards;
mod dump;
#[expect(clippy::module_inception, reason = "it is the engine, and the others are its parts")]
mod engine;
mod fault;
mod fault_thread;
mod following;
mod gate;
mod handler_server;
mod hooks;
mod lane;
mod leader;
#[cfg(all(test, shuttle))]
pub(crate) mod models;
mod placing;
mod poisoning;
mod refusals;
mod registration;
mod shared;
mod sleep;
mod spin;
mod waits;
mod waker;
pub(crate) mod worker;

pub(crate) use account::{Account, Record, Removal};
pub use blocktime::{BlocktimeReport, Waited};
pub(crate) use callbacks::{Callbacks, Owner};
pub(crate) use discards::{Discards, drain_events_during};
pub(crate) use dump::{BUSY, dump_blocks};
pub(crate) use engine::Engine;
pub(crate) use fault::{FaultServer, PageFault, Wait};
pub(crate) use fault_thread::FaultThread;
pub(crate) use gate::{Ending, NO_BLOCK, Seat};
pub(crate) use handler_server::HandlerServer;
pub(crate) use hooks::NoHooks;
pub use hooks::{AddRamBlock, Event, Hooks, LogLevel};
pub(crate) use lane::Lane;
pub(crate) use leader::Leader;
pub(crate) use placing::Filling;
pub(crate) use registration::{Registration, Treatment};
pub use shared::SharedClient;
pub(crate) use shared::{Asked, SharedFds};
pub(crate) use waits::EVERYWHERE;
pub(crate) use waker::{Bell, Waker};
