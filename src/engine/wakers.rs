//! Wakes fault threads from their sleep.

use std::os::fd::{AsFd, BorrowedFd};

use crate::error::Result;
use crate::kernel::EventFd;

/// An eventfd for each fault thread.
pub(crate) struct Wakers(Box<[EventFd]>);

impl Wakers {
    pub fn new(threads: usize) -> Result<Self> {
        (0..threads).map(|_| EventFd::new()).collect::<Result<_>>().map(Self)
    }

    /// How many fault threads there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn wake(&self, thread: usize) {
        self.0[thread].signal();
    }

    pub fn wake_all(&self) {
        self.0.iter().for_each(EventFd::signal);
    }

    /// What a fault thread sleeps on.
    pub fn descriptor(&self, thread: usize) -> BorrowedFd<'_> {
        self.0[thread].as_fd()
    }

    /// A fault thread is awake.
    pub fn drain(&self, thread: usize) {
        self.0[thread].drain();
    }
}
