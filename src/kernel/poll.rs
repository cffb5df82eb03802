//! Sleeping until descriptors are readable.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;

use super::before::{Call, uninterrupted};
use crate::error::{Error, Result};

/// Descriptors to wait for, by their number in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Poll {
    fds: Vec<libc::pollfd>,
}

/// What a descriptor has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Nothing,
    Readable,
    /// Its other end is gone, or it cannot be waited for.
    Broken,
}

impl Poll {
    /// Waits for one more descriptor. One that is closed meanwhile shows as broken.
    pub fn add(&mut self, fd: BorrowedFd<'_>) {
        self.add_raw(fd.as_raw_fd());
    }

    /// The same for a descriptor that another owner may close at any time.
    pub fn add_raw(&mut self, fd: RawFd) {
        self.fds.push(libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.fds.len()
    }

    /// Forgets all descriptors but the first ones.
    pub fn truncate(&mut self, count: usize) {
        self.fds.truncate(count);
    }

    /// Sleeps until one of the descriptors has something to say. False when none has for so many milliseconds.
    pub fn wait(&mut self, at_most: Option<u16>) -> Result<bool> {
        let timeout = at_most.map_or(-1, i32::from);
        let ready = uninterrupted(Call::Poll, || {
            // SAFETY: the kernel reads and writes just these entries.
            Errno::result(unsafe { libc::poll(self.fds.as_mut_ptr(), self.fds.len() as libc::nfds_t, timeout) })
        });
        ready.map(|ready| ready != 0).map_err(|errno| Error::os(errno, "waiting for faults in poll()"))
    }

    /// What a descriptor had to say in the last [`Poll::wait`].
    pub fn readiness(&self, number: usize) -> Readiness {
        let events = self.fds[number].revents;
        if events & (libc::POLLERR | libc::POLLNVAL | libc::POLLHUP) != 0 {
            Readiness::Broken
        } else if events & libc::POLLIN != 0 {
            Readiness::Readable
        } else {
            Readiness::Nothing
        }
    }
}
