//! Discards: RAM that the guest gives back (a balloon's madvise) while it is armed. On request the kernel tells of them before
//! it carries them out, and waits until that has been read: so what was discarded is zeros afterwards, at whatever moment.
//!
//! The kernel goes on as soon as the message is read, and a page that is placed a little later is there to stay. So messages
//! are read while no thread places (see [`Discards::placing`]), and what they name counts as received before one does again:
//! received pages are filled with zeros only. A thread of its own reads, so that a thread that discards never waits for a
//! handler or a pause; it calls no callback.
//!
//! The kernel lets nothing be placed by a userfaultfd in whose RAM a discard is under way (EAGAIN), which may be always, where
//! threads discard page after page. Then pages are placed by another userfaultfd, one without RAM of its own: Linux asks only
//! whether a range is registered with any. The order above does not depend on that refusal: what is placed before the message
//! is read is discarded along, and afterwards nothing but zeros is placed.

use std::collections::VecDeque;
use std::iter;
use std::ops::Range;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use super::account::Account;
use super::gate::{Ending, Seat};
use super::registration::Registration;
use super::waker::Waker;
use crate::error::Result;
use crate::kernel::{BATCH, EventFd, Message, Opening, Poll, Readiness, Userfaultfd, spawn_scoped};
use crate::memory::bits;
use crate::probes;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::{Mutex, RwLock, RwLockReadGuard};

/// Of an armed mis that tracks discards.
pub(crate) struct Discards {
    /// One for each userfaultfd.
    lanes: Box<[Lane]>,
    /// Wakes the thread that reads.
    waker: EventFd,
    is_over: AtomicBool,
    /// Pages that count as received since a discard, of which clients were not told yet: block, first page, mask.
    pending_notifications: Mutex<Vec<(usize, usize, u64)>>,
    /// Places pages while a thread discards; none where the host gives no descriptor for that.
    bystander: Option<Userfaultfd>,
}

/// How often in a row the kernel may refuse to place pages because of discards before the bystander does it.
const MOST_REFUSALS: u32 = 8;

#[derive(Default)]
struct Lane {
    /// Held for reading while pages are placed, for writing while messages are read.
    placing: RwLock<()>,
    /// Faults that were read, for the fault thread.
    faults: Mutex<VecDeque<Message>>,
}

impl Discards {
    pub fn new(uffds: usize) -> Result<Self> {
        let lanes = iter::repeat_with(Lane::default).take(uffds).collect();
        Ok(Self {
            lanes,
            waker: EventFd::new()?,
            is_over: AtomicBool::new(false),
            pending_notifications: Mutex::default(),
            // No RAM is registered with it, so that one for user mode will do, which any user may have.
            bystander: Userfaultfd::open(Opening::UserModeOnly)
                .and_then(|uffd| uffd.handshake(false).map(|()| uffd))
                .ok(),
        })
    }

    /// What is to place pages after so many refusals in a row, if it is not the userfaultfd that serves them.
    pub fn bystander(&self, refusals: u32) -> Option<&Userfaultfd> {
        self.bystander.as_ref().filter(|_| refusals >= MOST_REFUSALS)
    }

    /// To hold while looking whether pages are received and placing them by this userfaultfd.
    pub fn placing(&self, number: usize) -> RwLockReadGuard<'_, ()> {
        self.lanes[number].placing.read()
    }

    /// Ends the thread that reads: no thread is waited for any more that may discard.
    pub fn end(&self) {
        self.is_over.store(true, SeqCst);
        self.waker.signal();
    }

    /// The faults that were read for a fault thread, at most as many as there is room; how many.
    pub fn take_faults(&self, wakers: &[Waker], number: usize, messages: &mut [Message; BATCH]) -> usize {
        let mut faults = self.lanes[number].faults.lock();
        let count = faults.len().min(BATCH);
        messages.iter_mut().zip(faults.drain(..count)).for_each(|(to, from)| *to = from);
        if !faults.is_empty() {
            wakers[number].signal();
        }
        count
    }

    /// Reads what a userfaultfd has to say, and does what is due at once. Whether there was anything.
    pub fn read(
        &self,
        account: &Account,
        registration: &Registration,
        wakers: &[Waker],
        number: usize,
    ) -> Result<bool> {
        let lane = &self.lanes[number];
        let mut messages = [Message::default(); BATCH];
        let mut removed = Vec::new();
        let count = self.read_and_note(account, number, || {
            let count = registration.uffds()[number].read(&mut messages, &mut removed)?;
            Ok((count, &*removed))
        })?;
        if count > 0 {
            lane.faults.lock().extend(&messages[..count]);
            wakers[number].signal();
        }
        removed.iter().for_each(|range| registration.wake_addresses(range));
        if !self.pending_notifications.lock().is_empty() {
            wakers[0].signal();
        }
        Ok(count > 0 || !removed.is_empty())
    }

    /// Reads messages by a userfaultfd while no thread places, and notes the ranges that they say are discarded; whatever else they
    /// say is passed on.
    pub fn read_and_note<'a, T>(
        &self,
        account: &Account,
        number: usize,
        read: impl FnOnce() -> Result<(T, &'a [Range<usize>])>,
    ) -> Result<T> {
        let _placing = self.lanes[number].placing.write();
        let (other, removed) = read()?;
        removed.iter().for_each(|range| self.note(account, range));
        Ok(other)
    }

    /// The pages in a range of addresses are zeros from now on, and need not be placed any more.
    fn note(&self, account: &Account, range: &Range<usize>) {
        probes::discard(range.start, range.len());
        for (index, offsets) in account.table().touched(range) {
            let block = account.block(index);
            let mut newly = Vec::new();
            let pages = block.page_of(offsets.start)..block.page_of(offsets.end);
            account.mark_received(index, pages, |first, mask| newly.push((index, first, mask)));
            // Now that they are counted: `notify` asks whether they were the last.
            self.pending_notifications.lock().append(&mut newly);
        }
    }

    /// Notifies the clients of shared descriptors of pages that were discarded, and an event of a load that is complete by it:
    /// the thread that reads of discards calls no callback. `seat` holds each block, also during a pause: its removal waits until no
    /// client is being told of it.
    pub fn notify(&self, account: &Account, seat: &mut Seat) {
        let pending = std::mem::take(&mut *self.pending_notifications.lock());
        for (index, first, mask) in &pending {
            let _held = seat.hold(*index);
            bits(*first, *mask).for_each(|page| account.notify_shared(*index, page..page + 1));
        }
        if !pending.is_empty() {
            account.check_complete();
        }
    }

    /// The body of the thread that reads.
    pub fn run(&self, account: &Account, registration: &Registration, wakers: &[Waker], seat: &mut Seat) {
        let mut poll = Poll::default();
        registration.uffds().iter().for_each(|uffd| poll.add(uffd.as_fd()));
        let waker = registration.uffds().len();
        poll.add(self.waker.as_fd());
        let mut step = || {
            poll.wait(None)?;
            if poll.readiness(waker) != Readiness::Nothing {
                self.waker.drain();
            }
            (0..waker)
                .filter(|number| poll.readiness(*number) != Readiness::Nothing)
                .try_for_each(|number| self.read(account, registration, wakers, number).map(drop))
        };
        // Not only until all is ending: a callback that is waited for then may discard.
        while !self.is_over.load(SeqCst) {
            if let Err(Ending) = step().or_else(|error| account.pause_and_wait(seat, error)) {
                thread::yield_now();
            }
        }
    }
}

/// Runs what discards RAM by itself while nothing reads yet, and drains the events that the kernel sends of it. Threads that fault
/// meanwhile have to be woken afterwards.
pub(crate) fn drain_events_during<T>(uffds: &[Userfaultfd], discarding: impl FnOnce() -> Result<T>) -> Result<T> {
    let (done, is_done) = (EventFd::new()?, AtomicBool::new(false));
    let mut poll = Poll::default();
    uffds.iter().for_each(|uffd| poll.add(uffd.as_fd()));
    poll.add(done.as_fd());
    let mut read = || {
        while !is_done.load(SeqCst) {
            // It may fail: then there is no sleep.
            let _ = poll.wait(None);
            for uffd in uffds {
                // Were this to fail, nothing could be done about it: the kernel waits for its being read.
                let _ = uffd.read(&mut [Message::default(); BATCH], &mut Vec::new());
            }
        }
    };
    thread::scope(|scope| {
        let reader = spawn_scoped("uffd/events", scope, &mut read)?;
        // A panic would wait for the thread that reads otherwise.
        let result = catch_unwind(AssertUnwindSafe(discarding));
        is_done.store(true, SeqCst);
        done.signal();
        // The scope waits for its body alone: the thread itself would be there for a moment more.
        let _ = reader.join();
        result.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panic_while_discarding_is_passed_on_and_not_waited_for() {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let panicked = std::panic::catch_unwind(|| drain_events_during::<()>(&[], || panic!("on purpose")));
            sender.send(panicked.is_err())
        });
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(true));
    }
}
