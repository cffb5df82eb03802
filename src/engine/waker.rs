//! What wakes a fault thread that sleeps, apart from its faults.
//!
//! A fault thread that waits for its own faults only sleeps in read(), which saves the call of poll() in each fault. Only a
//! fault ends that read(). So each userfaultfd has a page of ours registered, its bell: a thread touches it, the fault thread reads
//! that, and answers with a page of zeros, so that the thread goes on.

use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use super::registration::refusal;
use crate::error::Result;
use crate::kernel::{self, EventFd, Mapping, Message, Userfaultfd};
use crate::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use crate::sync::{Condvar, Mutex};

/// Wakes one fault thread.
pub(crate) struct Waker {
    /// Ends its poll().
    eventfd: EventFd,
    /// Ends its read(). None where another thread reads the userfaultfd.
    bell: Option<Bell>,
}

/// Rung by a thread of its own: whoever touches the page waits for the fault thread.
pub(crate) struct Bell {
    page: Mapping,
    /// The fault thread sleeps in read().
    is_needed: AtomicBool,
    /// How often the fault thread has heard it.
    heard: AtomicU64,
    /// It is to ring, too, when the fault thread has served nothing for [`IDLE`].
    is_watching: AtomicBool,
    /// How often the fault thread has served faults.
    served: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_to_ring: bool,
    is_over: bool,
    /// The thread that rings has ended.
    has_ended: bool,
}

const WHAT: &str = "the page that wakes a fault thread";

/// After how long without a fault a fault thread is idle.
pub(super) const IDLE: Duration = Duration::from_millis(10);

impl Waker {
    /// For a fault thread that reads this userfaultfd itself, if it does.
    pub fn new(uffd: Option<&Userfaultfd>) -> Result<Self> {
        Ok(Self { eventfd: EventFd::new()?, bell: uffd.map(Bell::new).transpose()? })
    }

    /// Wakes the fault thread.
    pub fn signal(&self) {
        self.eventfd.signal();
        // The fault thread says that it needs the bell, then looks at the eventfd: one of the two is seen.
        if let Some(bell) = self.bell.as_ref().filter(|bell| bell.is_needed.load(SeqCst)) {
            bell.change(|state| state.is_to_ring = true);
        }
    }

    /// What a poll() waits for.
    pub fn eventfd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }

    /// Whether the fault thread was woken, which counts no more from now on.
    pub fn drain(&self) -> bool {
        self.eventfd.drain()
    }

    pub fn bell(&self) -> Option<&Bell> {
        self.bell.as_ref()
    }
}

impl Bell {
    fn new(uffd: &Userfaultfd) -> Result<Self> {
        let page = Mapping::new(kernel::page_size(), WHAT)?;
        uffd.register(page.as_ptr().addr(), page.len()).map_err(|errno| refusal(&WHAT, errno))?;
        Ok(Self {
            page,
            is_needed: AtomicBool::new(false),
            heard: AtomicU64::new(0),
            is_watching: AtomicBool::new(false),
            served: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    /// For the fault thread: it will sleep in read() from now on, or no longer.
    pub fn need(&self, is_needed: bool) {
        self.is_needed.store(is_needed, SeqCst);
    }

    /// For the fault thread: it has served faults; and whether it is to be woken when it has been idle for a while.
    pub fn served(&self, is_watching: bool) {
        self.served.store(self.served.load(Relaxed).wrapping_add(1), Relaxed);
        if self.is_watching.load(Relaxed) != is_watching {
            self.is_watching.store(is_watching, Relaxed);
            // Under the lock, so that the other thread is either before its look at it or asleep.
            self.change(|_| ());
        }
    }

    /// For the fault thread: takes the bell's messages out of those that were read, and answers. How many are left.
    pub fn take_out(&self, uffd: &Userfaultfd, messages: &mut [Message]) -> usize {
        let page = self.page.as_ptr().addr();
        let mut left = 0;
        for number in 0..messages.len() {
            if messages[number].address == page {
                self.heard.fetch_add(1, SeqCst);
                self.answer(uffd);
            } else {
                messages.swap(left, number);
                left += 1;
            }
        }
        left
    }

    fn answer(&self, uffd: &Userfaultfd) {
        let (page, length) = (self.page.as_ptr().addr(), self.page.len());
        if uffd.zeropage(page, length).stopped.is_some() {
            // Whoever rings touches it again, and this is tried again.
            let _ = uffd.wake(page, length);
        }
    }

    /// The body of the thread that rings.
    pub fn run(&self) {
        while self.await_ring() {
            let before = self.heard.load(SeqCst);
            while self.heard.load(SeqCst) == before && !self.state.lock().is_over {
                // Locked, or for want of memory, it would stay, and would not be heard.
                if self.page.empty().is_err() {
                    thread::yield_now();
                }
                self.page.touch();
            }
        }
        self.state.lock().has_ended = true;
    }

    /// Waits until it is to ring. False when all is over.
    pub(super) fn await_ring(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.is_over {
                return false;
            }
            if std::mem::take(&mut state.is_to_ring) {
                return true;
            }
            if !self.is_watching.load(Relaxed) {
                self.changed.wait(&mut state);
                continue;
            }
            let served = self.served.load(Relaxed);
            let is_late = self.changed.wait_until(&mut state, Instant::now() + IDLE).timed_out();
            if is_late && self.is_watching.load(Relaxed) && self.served.load(Relaxed) == served {
                return true;
            }
        }
    }

    /// The fault thread has ended, and answers no more: ends the thread that rings.
    pub fn end(&self, uffd: &Userfaultfd) {
        self.change(|state| state.is_over = true);
        // Unregistered, the page is there for whoever touches it.
        while uffd.unregister(self.page.as_ptr().addr(), self.page.len()).is_err() && !self.state.lock().has_ended {
            self.answer(uffd);
            thread::yield_now();
        }
    }
}
