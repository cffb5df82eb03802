//! The life of an incoming side: its set-up and clean-up, and what a caller does with it in between.
//!
//! The files, from the lowest to the highest: each uses only what stands before it.
//!
//! - `config`: how a caller describes it.
//! - `threads`, `armed`: the threads of an armed one.
//! - `emptying`, `mapping`, `moving`: the RAM before a load. `setup`: a set-up, step by step.
//! - `incoming`: the phases, and who may change them when.
//! - `pages`, `clients`, `restore`, `dump`, `guest_memory`: what a caller does with it.

mod armed;
mod clients;
mod config;
mod dump;
mod emptying;
#[cfg(feature = "vm-memory")]
mod guest_memory;
#[expect(clippy::module_inception, reason = "it is the incoming side, and the others are its parts")]
mod incoming;
mod mapping;
#[cfg(all(test, shuttle))]
mod models;
mod moving;
mod pages;
mod restore;
mod setup;
#[cfg(all(test, not(shuttle)))]
mod tests;
mod threads;

pub use config::Config;
pub use incoming::Incoming;
pub use restore::load;
