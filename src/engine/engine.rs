//! What an armed mis consists of, apart from its threads: the account of its pages, the registered RAM, the temporary pages.
//! Shared by the fault threads, the loader threads and the caller's threads.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use super::account::Account;
use super::discards::Discards;
use super::gate::Seat;
use super::registration::Registration;
use super::waker::Waker;
use crate::error::Result;
use crate::kernel::{BATCH, Message};
use crate::memory::{RamBlock, TempPages};
use crate::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

pub(crate) struct Engine {
    account: Account,
    registration: Registration,
    temp_pages: TempPages,
    /// One for each fault thread, which it wakes.
    wakers: Box<[Waker]>,
    /// Where discards are tracked.
    discards: Option<Discards>,
    /// How many loader threads are at work.
    loaders: AtomicUsize,
    longest_spin: Duration,
    /// How many CPUs there are to run on. Not for the fault threads to find out: that opens files.
    cpus: usize,
}

/// What a fault thread has read of its userfaultfd.
#[derive(Clone, Copy, Default)]
pub(super) struct FaultsRead {
    pub count: usize,
    /// There may be something else to do: it was woken.
    pub is_called: bool,
}

impl Engine {
    /// Its fault threads spin for `longest_spin` at most.
    pub fn new(
        account: Account,
        registration: Registration,
        temp_pages: TempPages,
        wakers: Box<[Waker]>,
        discards: Option<Discards>,
        longest_spin: Duration,
    ) -> Self {
        Self {
            account,
            registration,
            temp_pages,
            wakers,
            discards,
            loaders: AtomicUsize::new(0),
            longest_spin,
            cpus: thread::available_parallelism().map_or(1, NonZeroUsize::get),
        }
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    pub fn temp_pages(&self) -> &TempPages {
        &self.temp_pages
    }

    /// What wakes a fault thread.
    pub fn waker(&self, thread: usize) -> &Waker {
        &self.wakers[thread]
    }

    pub fn fault_threads(&self) -> usize {
        self.wakers.len()
    }

    pub fn wake_fault_threads(&self) {
        self.wakers.iter().for_each(Waker::signal);
    }

    pub fn discards(&self) -> Option<&Discards> {
        self.discards.as_ref()
    }

    pub fn block(&self, index: usize) -> &RamBlock {
        self.account.block(index)
    }

    /// Runs what a loader thread does.
    pub fn run_loader(&self, body: impl FnOnce()) {
        self.loaders.fetch_add(1, SeqCst);
        body();
        self.loaders.fetch_sub(1, SeqCst);
    }

    /// How long a fault thread may spin for the next fault, where it may.
    pub fn longest_spin(&self) -> Duration {
        self.longest_spin
    }

    /// Whether a fault thread may spin: not where fault threads and loader threads at work need all CPUs.
    pub fn may_spin(&self) -> bool {
        self.wakers.len() + self.loaders.load(Relaxed) < self.cpus
    }

    /// Reads the faults for a fault thread.
    pub(super) fn read_faults(&self, thread: usize, messages: &mut [Message; BATCH]) -> Result<FaultsRead> {
        if let Some(discards) = &self.discards {
            return Ok(FaultsRead { count: discards.take_faults(&self.wakers, thread, messages), is_called: false });
        }
        let uffd = &self.registration.uffds()[thread];
        let read = uffd.read(messages, &mut Vec::new())?;
        let count = self.wakers[thread].bell().map_or(read, |bell| bell.take_out(uffd, &mut messages[..read]));
        Ok(FaultsRead { count, is_called: count < read })
    }

    /// Reads the events of a userfaultfd, where discards are tracked; whether there were any.
    pub fn read_events(&self, number: usize) -> bool {
        let read = |discards: &Discards| discards.read(&self.account, &self.registration, &self.wakers, number);
        self.discards.as_ref().and_then(|discards| read(discards).ok()).unwrap_or(false)
    }

    /// The body of the thread that reads events, where discards are tracked.
    pub fn run_events_thread(&self, seat: &mut Seat) {
        if let Some(discards) = &self.discards {
            discards.run(&self.account, &self.registration, &self.wakers, seat);
        }
    }

    /// Pages that are zeros count as received and stay missing: a thread that waits for one faults again, and is given a page of
    /// zeros as where a received page was discarded. Clients are not told: one that waits asks, and is answered in the same way.
    pub fn leave_missing(&self, index: usize, pages: Range<usize>) -> Result<()> {
        self.account.mark_received(index, pages.clone(), |_, _| ());
        // Whether the threads could be woken or not: what is received is not placed again.
        self.account.check_complete();
        self.registration.wake(index, self.block(index).offsets_of(&pages))
    }

    /// The caller has brought pages by other means, and they have been marked received: wakes the threads that wait for them.
    pub fn mark_received_externally(&self, index: usize, pages: Range<usize>) -> Result<()> {
        self.account.settle(index, pages.clone());
        self.account.check_complete();
        self.account.notify_shared(index, pages.clone());
        self.registration.wake(index, self.block(index).offsets_of(&pages))
    }

    /// Unregisters a removed block in which no work is under way any more; threads that wait in it go on.
    pub fn unregister_removed(&self, index: usize) {
        let all = 0..self.block(index).pages();
        self.registration.unregister(index);
        if self.registration.is_stuck(index) {
            // They fault again, and get the zeros from us.
            self.account.log_failure(self.registration.wake(index, 0..self.block(index).length()));
        }
        self.account.forget_waits(index, all.clone());
        self.account.settle(index, all.clone());
        // A load has nothing to bring there any more.
        self.account.mark_received(index, all, |_, _| ());
        self.account.check_complete();
    }
}
