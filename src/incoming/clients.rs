//! Shared descriptors: the userfaultfds of other processes that map the same RAM.

use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;

use super::incoming::Incoming;
use crate::engine::{Asked, SharedClient};
use crate::error::Result;
use crate::memory::BlockId;

impl Incoming {
    /// Serves the userfaultfd of another process that maps the same RAM, from now on and in every set-up, until it is
    /// removed. EEXIST when it is served already.
    ///
    /// # Safety
    /// The descriptor stays open until [`Incoming::remove_shared_fd`] has returned.
    pub unsafe fn add_shared_fd(&self, fd: BorrowedFd<'_>, client: Arc<dyn SharedClient>) -> Result<()> {
        self.shared.add(fd, client)?;
        // While not armed there is no thread to wake.
        let _ = self.notify();
        Ok(())
    }

    /// Stops serving another process's userfaultfd. Waits for its handler and wakers, but not within a callback; never
    /// for a pause.
    pub fn remove_shared_fd(&self, fd: RawFd) -> Result<()> {
        let shared = self.shared.remove(fd)?;
        // As above.
        let _ = self.notify();
        if !self.owner.is_inside() {
            shared.wait_unused();
        }
        Ok(())
    }

    /// A client of a shared descriptor waits at `client_addr` for the page that holds the byte at an offset. It is woken
    /// when the page is in place, and if it is not, it is asked for like any other.
    pub fn request_shared_page(&self, fd: RawFd, block: BlockId, client_addr: u64, offset: u64) -> Result<()> {
        self.with_engine(|engine| {
            self.shared.get(fd)?;
            let ram = engine.block(engine.account().table().by_id(block)?);
            self.shared.ask(Asked { block, page: ram.page_at(offset)?, fd, client_addr });
            engine.waker(0).signal();
            Ok(())
        })
    }

    /// Tells the clients of all shared descriptors that a page is in place, as every placing does by itself.
    pub fn notify_shared_wake(&self, block: BlockId, offset: u64) -> Result<()> {
        // Held: a removal of the block waits for the wakers.
        let _engine = self.read_engine();
        self.block(block)?.page_at(offset)?;
        self.shared.notify(&self.callbacks(), block, offset)
    }

    /// Wakes the client of a shared descriptor that waits for a page of a block at an address of its own.
    pub fn wake_shared(&self, fd: RawFd, block: BlockId, client_addr: u64) -> Result<()> {
        self.shared.get(fd)?.wake(&*self.block(block)?, client_addr)
    }
}
