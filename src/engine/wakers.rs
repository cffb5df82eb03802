//! Wakes fault threads from their sleep.

use std::ops::Deref;

use crate::error::Result;
use crate::kernel::EventFd;

/// An eventfd for each fault thread.
pub(crate) struct Wakers(Box<[EventFd]>);

impl Wakers {
    pub fn new(threads: usize) -> Result<Self> {
        (0..threads).map(|_| EventFd::new()).collect::<Result<_>>().map(Self)
    }

    pub fn wake_all(&self) {
        self.0.iter().for_each(EventFd::signal);
    }
}

impl Deref for Wakers {
    type Target = [EventFd];

    fn deref(&self) -> &[EventFd] {
        &self.0
    }
}
