//! RAM as the library knows it: blocks, their address table, which pages have been received, temporary pages. Nothing
//! here knows of threads.

mod bitmap;
mod block;
mod poisoned;
mod table;
mod temp_pages;

pub(crate) use bitmap::{bits, words};
pub(crate) use block::RamBlock;
pub use block::{BlockId, RamBlockSpec};
pub(crate) use table::BlockTable;
pub(crate) use temp_pages::TempPages;
