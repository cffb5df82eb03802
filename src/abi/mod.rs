//! The C ABI: the only `extern "C"` of the library. Every function here checks its arguments, translates them, calls
//! the Rust API of the same name and translates the result back.

// The C header, which is generated from these comments, says what a C caller must guarantee.
#![allow(clippy::missing_safety_doc)]

mod boundary;
mod callbacks;
mod handles;
mod structs;
pub mod types;

// In the order in which the header shows them.
mod lifecycle;

mod placing;

mod control;

mod shared;

mod snapshot;

mod report;

pub use control::*;
pub use lifecycle::*;
pub use placing::*;
pub use report::*;
pub use shared::*;
pub use snapshot::*;
