//! Sleeping until a descriptor is readable.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::{Error, Result, error};

/// Which of two descriptors are readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub first: bool,
    pub second: bool,
}

/// Sleeps until one of the two descriptors is readable.
pub(crate) fn wait_readable(first: BorrowedFd<'_>, second: BorrowedFd<'_>) -> Result<Ready> {
    let mut fds = [PollFd::new(first, PollFlags::POLLIN), PollFd::new(second, PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => break,
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(Error::os(errno as i32, "waiting for faults in poll()")),
        }
    }
    let readable = |fd: &PollFd<'_>| -> Result<bool> {
        let events = fd.revents().unwrap_or(PollFlags::POLLERR);
        if events.intersects(PollFlags::POLLERR | PollFlags::POLLNVAL) {
            return Err(error!(EIO, "waiting for faults in poll(): a descriptor is broken ({events:?})"));
        }
        Ok(events.contains(PollFlags::POLLIN))
    };
    Ok(Ready { first: readable(&fds[0])?, second: readable(&fds[1])? })
}
