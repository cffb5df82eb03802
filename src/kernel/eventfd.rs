//! An eventfd: what a sleeping thread is woken by.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::eventfd::{EfdFlags, EventFd as Inner};

use super::before::{Call, before};
use crate::error::{Error, Result};

/// A counter that makes its descriptor readable; closed when dropped.
#[derive(Debug)]
pub(crate) struct EventFd(Inner);

impl EventFd {
    pub fn new() -> Result<Self> {
        before(Call::Eventfd)
            .and_then(|()| Inner::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK))
            .map(Self)
            .map_err(|errno| Error::os(errno, "creating an eventfd"))
    }

    /// Makes the descriptor readable.
    pub fn signal(&self) {
        // The only failure is a counter at its limit (EAGAIN), and then it is readable already.
        let _ = self.0.write(1);
    }

    /// Makes the descriptor unreadable again. Whether it was readable.
    pub fn drain(&self) -> bool {
        // The only failure is a counter of zero (EAGAIN).
        self.0.read().is_ok()
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
