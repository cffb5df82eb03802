//! A fault, and who makes its page arrive.

use super::engine::Engine;
use super::placing::Filling;
use crate::error::{Result, ensure};
use crate::memory::BlockId;

/// Makes missing pages arrive.
pub trait PageHandler: Send + Sync {
    /// Called on a fault thread for each page that a thread waits for and that was not received yet. Places it now, with
    /// [`Fault::place`], or sets out to, and some thread places it later. After an error the fault threads pause until
    /// [`Incoming::resume`](super::Incoming::resume), and then ask again; or the page is poisoned, if the configuration says
    /// so, and nothing pauses. A panic counts as an error, ENOTRECOVERABLE: the page could not be had.
    ///
    /// With one fault thread (the default) calls never run concurrently. It may block for long, and no lock is held
    /// meanwhile; it must not touch guest RAM that may be missing.
    fn page(&self, fault: &Fault<'_>) -> Result<()>;
}

/// A page that a thread waits for.
pub struct Fault<'a> {
    pub(super) engine: &'a Engine,
    pub(super) worker: usize,
    pub(super) index: usize,
    pub(super) page: usize,
    pub(super) address: usize,
    pub(super) crowded: bool,
}

impl Fault<'_> {
    /// The RAM block.
    pub fn block_id(&self) -> BlockId {
        self.engine.block(self.index).id()
    }

    /// The page's offset into the block.
    pub fn offset(&self) -> u64 {
        self.engine.block(self.index).offset_of(self.page) as u64
    }

    /// The host address that was touched, aligned down to the kernel's page size there.
    pub fn address(&self) -> usize {
        self.address
    }

    /// The block's page size.
    pub fn page_size(&self) -> usize {
        self.engine.block(self.index).page_size()
    }

    /// Places the page with these bytes, as many as a page has.
    pub fn place(&self, bytes: &[u8]) -> Result<()> {
        let page_size = self.page_size();
        ensure!(bytes.len() == page_size, EINVAL, "{} bytes are not a page of {page_size}", bytes.len());
        self.engine.place(self.index, self.page..self.page + 1, Filling::Bytes(bytes.as_ptr()))
    }

    /// Places a page of zeros.
    pub fn place_zeros(&self) -> Result<()> {
        self.engine.place(self.index, self.page..self.page + 1, Filling::Zeros)
    }

    /// Which worker serves this: a number below the number of fault threads.
    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine
    }

    /// Where the block stands in the engine's table.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Whether faults come faster than they are served one by one: others wait, too.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded
    }

    pub(crate) fn page(&self) -> usize {
        self.page
    }
}
