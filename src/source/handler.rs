//! The other kind of source: a handler of the caller's, which is asked for a page and sets out to have it placed.

use crate::error::{Result, ensure};
use crate::memory::BlockId;

/// Makes missing pages arrive.
pub trait PageHandler: Send + Sync {
    /// Called on a fault thread for each page that a thread waits for and that was not received yet. Places it now, with
    /// [`Fault::place`], or sets out to, and some thread places it later. After an error the fault threads pause until
    /// [`Incoming::resume`](crate::Incoming::resume), and then ask again; or the page is poisoned, if the configuration says
    /// so, and nothing pauses. A panic counts as an error, ENOTRECOVERABLE: the page could not be read.
    ///
    /// With one fault thread (the default) calls never run concurrently. It may block for long, and no lock is held
    /// meanwhile; it must not touch guest RAM that may be missing.
    fn page(&self, fault: &Fault<'_>) -> Result<()>;
}

/// A page that a thread waits for.
pub struct Fault<'a> {
    pub(crate) block_id: BlockId,
    pub(crate) offset: u64,
    pub(crate) address: usize,
    pub(crate) page_size: usize,
    /// Places the page, with these bytes or with zeros.
    pub(crate) place: &'a dyn Fn(Option<&[u8]>) -> Result<()>,
}

impl Fault<'_> {
    /// The RAM block.
    pub fn block_id(&self) -> BlockId {
        self.block_id
    }

    /// The page's offset into the block, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The host address that was touched, aligned down to the kernel's page size there.
    pub fn address(&self) -> usize {
        self.address
    }

    /// The block's page size, in bytes.
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// Places the page with these bytes, as many as a page has.
    pub fn place(&self, bytes: &[u8]) -> Result<()> {
        let page_size = self.page_size;
        ensure!(bytes.len() == page_size, EINVAL, "{} bytes are not a page of {page_size}", bytes.len());
        (self.place)(Some(bytes))
    }

    /// Places a page of zeros.
    pub fn place_zeros(&self) -> Result<()> {
        (self.place)(None)
    }
}
