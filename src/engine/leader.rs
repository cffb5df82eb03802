//! What the thread that leads needs: it reads the faults of a userfaultfd, judges them, and serves those that take no waiting. The
//! leader of the first userfaultfd serves the shared descriptors, too.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::concurrency::Concurrency;
use super::engine::{Engine, FaultsRead};
use super::fault::{FaultServer, PageFault, Wait, serve_page};
use super::following::Following;
use super::gate::{Ending, NO_BLOCK, Seat};
use super::shared::Asked;
use super::sleep::{Sleep, Woken};
use super::spin::Spin;
use super::waits::Waiter;
use super::waker::IDLE;
use crate::error::Result;
use crate::kernel::{BATCH, Message, Readiness};
use crate::probes;
use crate::stats::Stats;

pub(crate) struct Leader {
    /// Its userfaultfd's number.
    number: usize,
    messages: [Message; BATCH],
    /// Where the messages' addresses are, in RAM: block and page.
    pages: [Option<(usize, usize)>; BATCH],
    /// Which of them have not been looked at.
    left: Range<usize>,
    /// Several threads fault concurrently.
    concurrent: bool,
    /// When faults were read last, by the clock of the waits.
    read_at: u64,
    /// It has slept since.
    has_slept: bool,
    /// It may have been woken for something else than faults.
    is_called: bool,
    spin: Spin,
    concurrency: Concurrency,
    sleep: Sleep,
}

/// What a thread has of its own while it leads.
pub(super) struct Leading<'a> {
    pub engine: &'a Engine,
    pub seat: &'a mut Seat,
    pub server: &'a mut dyn FaultServer,
    pub following: &'a mut Following,
    /// What becomes of a fault that takes waiting for a disk.
    pub wait: Wait,
}

impl Leader {
    pub fn new(engine: &Engine, number: usize) -> Self {
        Self {
            number,
            messages: [Message::default(); BATCH],
            pages: [None; BATCH],
            left: 0..0,
            concurrent: false,
            read_at: engine.account().waits().now(),
            has_slept: false,
            is_called: false,
            spin: Spin::new(engine.longest_spin()),
            concurrency: Concurrency::default(),
            sleep: Sleep::new(engine, number),
        }
    }

    /// Waits for something to do, and does it. A fault that takes waiting for a disk, if that is how it is served.
    pub(super) fn step(&mut self, leading: &mut Leading<'_>) -> Result<Option<PageFault>, Ending> {
        let engine = leading.engine;
        if self.left.is_empty() && !self.is_called {
            if self.number == 0 {
                self.sleep.watch_shared(engine);
            }
            match self.await_faults(engine, leading.following) {
                Ok(0) => {}
                Ok(count) => self.judge(engine, count, leading.server),
                // The userfaultfd itself failed: it must not be asked again and again.
                Err(error) => return engine.account().pause_and_wait(leading.seat, error).map(|()| None),
            }
        }
        let mut waiting = self.serve_batch(leading)?;
        if waiting.is_none() && self.is_called && self.number == 0 {
            waiting = self.serve_clients(leading)?;
        }
        self.is_called &= waiting.is_some();
        Ok(waiting)
    }

    /// Waits for faults, or for something else to do; how many faults came.
    fn await_faults(&mut self, engine: &Engine, following: &mut Following) -> Result<usize> {
        let spun = self.spin(engine, following)?;
        self.has_slept = spun.is_none();
        let woken = match spun {
            Some(spun) => Woken::Faults(spun),
            None => self.sleep.sleep(engine, &mut self.messages, following.is_there())?,
        };
        let Woken::Faults(FaultsRead { count, is_called }) = woken else {
            following.idle();
            return Ok(0);
        };
        if is_called && count == 0 && following.is_there() && self.pause(engine, engine.account().waits().now()) >= IDLE
        {
            following.idle();
        }
        self.is_called = is_called;
        Ok(count)
    }

    /// Since when there has been nothing to serve: the last fault was read then, or served, if a disk was waited for.
    fn pause(&self, engine: &Engine, now: u64) -> Duration {
        Duration::from_nanos(now.saturating_sub(engine.account().waits().latest_end().max(self.read_at)))
    }

    /// Looks for faults for a while without sleeping, where that pays: where a CPU is left for the threads that fault. How many
    /// came. Not with shared descriptors: as long as there are faults of our own, these would have to wait.
    fn spin(&mut self, engine: &Engine, following: &Following) -> Result<Option<FaultsRead>> {
        let time = self.spin.time();
        if time.is_zero() || !engine.may_spin() || !self.sleep.shared().is_empty() || following.is_there() {
            return Ok(None);
        }
        let start = Instant::now();
        while start.elapsed() < time && !engine.account().gate().is_ending() {
            let read = self.sleep.look(engine, &mut self.messages)?;
            if read.count > 0 {
                self.spin.hit();
            }
            if read.count > 0 || read.is_called {
                return Ok(Some(read));
            }
            std::hint::spin_loop();
        }
        self.spin.missed();
        Ok(None)
    }

    /// Faults have been read: who waits, for which pages, and how many threads fault concurrently.
    fn judge(&mut self, engine: &Engine, count: usize, server: &mut dyn FaultServer) {
        let now = engine.account().waits().now();
        let pause = self.pause(engine, now);
        let (messages, pages) = (&mut self.messages[..count], &mut self.pages[..count]);
        Stats::count(&engine.account().stats().faults, messages.len() as u64);
        messages.sort_unstable_by_key(|message| message.address);
        for (page, message) in pages.iter_mut().zip(&*messages) {
            probes::fault(message.thread_id, message.address);
            *page = engine.account().table().locate(message.address);
        }
        begin_waits(engine, now, pages, messages);
        if engine.account().callbacks().hooks.wants_faults() {
            tell_faults(engine, pages, messages);
        }
        if self.has_slept {
            self.spin.slept(pause);
        }
        self.concurrent = self.concurrency.update(messages.iter().map(|message| message.thread_id), pause);
        if self.concurrent {
            pages.iter().flatten().skip(1).for_each(|(index, page)| server.queued(*index, *page));
        }
        (self.left, self.read_at) = (0..count, now);
    }

    /// Serves what is left of a batch of faults, each page once.
    fn serve_batch(&mut self, leading: &mut Leading<'_>) -> Result<Option<PageFault>, Ending> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let engine = leading.engine;
        // Taken out first: after a panic, nobody comes to it again.
        while let Some(number) = self.left.next() {
            let place = self.pages[number];
            let Some((index, page)) = place.filter(|_| number == 0 || place != self.pages[number - 1]) else {
                continue;
            };
            let address = self.messages[number].address;
            let fault = PageFault { index, page, address, concurrent: self.concurrent };
            if !serve_page(engine, leading.seat, leading.server, &fault, leading.wait)? {
                return Ok(Some(fault));
            }
        }
        let threads = self.messages[..self.left.end].iter().map(|message| message.thread_id);
        leading.following.faulted(threads);
        self.sleep.served(engine, leading.following.is_there());
        Ok(None)
    }

    /// Does what this thread may have been woken for.
    fn serve_clients(&mut self, leading: &mut Leading<'_>) -> Result<Option<PageFault>, Ending> {
        let engine = leading.engine;
        engine.discards().into_iter().for_each(|discards| discards.notify(engine.account(), leading.seat));
        for number in 0..self.sleep.shared().len() {
            self.serve_shared(engine, leading.seat, number)?;
        }
        while let Some(asked) = engine.account().shared().next_asked() {
            let waiting = serve_asked(engine, leading.seat, leading.server, &asked, leading.wait)?;
            if waiting.is_some() {
                return Ok(waiting);
            }
        }
        Ok(None)
    }

    /// Has a message of a shared descriptor dealt with, if there is one; after a failure again, once resumed.
    fn serve_shared(&mut self, engine: &Engine, seat: &mut Seat, number: usize) -> Result<(), Ending> {
        let account = engine.account();
        let shared = &self.sleep.shared()[number];
        match self.sleep.readiness(number) {
            Readiness::Nothing => return Ok(()),
            Readiness::Broken => shared.give_up(account.callbacks(), "its other end is gone"),
            Readiness::Readable => {
                let mut pending = None;
                loop {
                    let pass = seat.enter(NO_BLOCK)?;
                    match shared.serve(account.callbacks(), &mut pending) {
                        Ok(()) => break,
                        Err(error) => account.fail(pass, error),
                    }
                }
            }
        }
        // Not to be waited for again.
        if !shared.is_alive() {
            self.sleep.unwatch_dead();
        }
        Ok(())
    }
}

/// Notes which threads wait for which pages since now.
fn begin_waits(engine: &Engine, now: u64, pages: &[Option<(usize, usize)>], messages: &[Message]) {
    let (waits, callbacks) = (engine.account().waits(), engine.account().callbacks());
    let addresses = pages.iter().map(|page| page.map(|(index, page)| engine.block(index).address_of(page)));
    if !waits.has_vcpus() {
        let threads = messages.iter().map(|message| Waiter { thread: message.thread_id, vcpu: None });
        return waits.begin(now, addresses.zip(threads).filter_map(|(address, waiter)| Some((address?, waiter))));
    }
    // Before the lock is taken: the callback may take its time.
    let mut waiters = [Waiter { thread: 0, vcpu: None }; BATCH];
    for (waiter, message) in waiters.iter_mut().zip(messages) {
        let thread = message.thread_id;
        let vcpu = callbacks.infallible("the vcpu_index callback", None, |hooks| hooks.vcpu_index(thread));
        *waiter = Waiter { thread, vcpu };
    }
    waits.begin(now, addresses.zip(waiters).filter_map(|(address, waiter)| Some((address?, waiter))));
}

fn tell_faults(engine: &Engine, pages: &[Option<(usize, usize)>], messages: &[Message]) {
    for (place, message) in pages.iter().zip(messages) {
        let Some((index, page)) = *place else { continue };
        let block = engine.block(index);
        engine.account().callbacks().infallible("the fault callback", (), |hooks| {
            hooks.fault(block.id(), block.offset_of(page) as u64, message.address, message.thread_id);
        });
    }
}

/// Serves a page that a client of a shared descriptor waits for, as a fault of our own; it, if it takes waiting for a disk.
pub(super) fn serve_asked(
    engine: &Engine,
    seat: &mut Seat,
    server: &mut dyn FaultServer,
    asked: &Asked,
    wait: Wait,
) -> Result<Option<PageFault>, Ending> {
    let account = engine.account();
    // Removed meanwhile: no client waits for it any more.
    let (Ok(index), Ok(shared)) = (account.table().by_id(asked.block), account.shared().get(asked.fd)) else {
        return Ok(None);
    };
    let block = engine.block(index);
    let page = asked.page;
    let fault = PageFault { index, page, address: block.address_of(page), concurrent: false };
    if !serve_page(engine, seat, server, &fault, wait)? {
        return Ok(Some(fault));
    }
    // In place: the client goes on. Otherwise its waker is called when it will be.
    if block.received().get(page) {
        account.log_failure(shared.wake(block, asked.client_addr));
    }
    Ok(None)
}
