//! A fault thread: reads the faults of its userfaultfd and has each served. The first one serves the shared descriptors,
//! too.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use super::concurrency::Concurrency;
use super::engine::Engine;
use super::fault::{FaultServer, PageFault, serve_page};
use super::following::Following;
use super::gate::{Ending, NO_BLOCK, Seat};
use super::shared::{Asked, SharedFd};
use super::spin::Spin;
use crate::error::Result;
use crate::kernel::{BATCH, Message, Poll, Readiness};
use crate::stats::Stats;

pub(crate) struct FaultThread<'a> {
    engine: &'a Engine,
    /// Its number among the fault threads, and its userfaultfd's.
    number: usize,
    server: Box<dyn FaultServer>,
    messages: [Message; BATCH],
    /// Where the messages' addresses are, in RAM: block and page.
    pages: [Option<(usize, usize)>; BATCH],
    /// When there was nothing more to serve.
    idle_since: Instant,
    /// It has slept since, and may have been woken for something else than faults.
    has_slept: bool,
    spin: Spin,
    following: Following,
    concurrency: Concurrency,
    tells_faults: bool,
    /// The waker, the userfaultfd if this thread reads it, and then the shared descriptors.
    poll: Poll,
    first_shared: usize,
    shared: Arc<[Arc<SharedFd>]>,
    /// Which version of the list of shared descriptors that is.
    shared_version: u64,
}

const WAKER: usize = 0;
const USERFAULTFD: usize = 1;

impl<'a> FaultThread<'a> {
    pub fn new(engine: &'a Engine, number: usize, server: Box<dyn FaultServer>) -> Self {
        let mut poll = Poll::default();
        poll.add(engine.waker(number).as_fd());
        // Where discards are tracked, another thread reads, and wakes this one.
        if engine.discards().is_none() {
            poll.add(engine.registration().uffds()[number].as_fd());
        }
        Self {
            engine,
            number,
            server,
            messages: [Message::default(); BATCH],
            pages: [None; BATCH],
            idle_since: Instant::now(),
            has_slept: false,
            spin: Spin::new(engine.longest_spin()),
            following: Following::default(),
            concurrency: Concurrency::default(),
            tells_faults: engine.account().callbacks().hooks.wants_faults(),
            first_shared: poll.len(),
            poll,
            shared: Arc::default(),
            // An older version than any list has.
            shared_version: u64::MAX,
        }
    }

    /// Serves until all is ending.
    pub fn run(&mut self, seat: &mut Seat) {
        while !self.engine.account().gate().is_ending() && self.step(seat).is_ok() {}
    }

    /// Waits for something to do, and does it.
    fn step(&mut self, seat: &mut Seat) -> Result<(), Ending> {
        let engine = self.engine;
        if self.number == 0 {
            self.watch_shared();
        }
        match self.await_faults() {
            Ok(0) => {}
            Ok(count) => self.serve(seat, count)?,
            // The userfaultfd itself failed: it must not be asked again and again.
            Err(error) => return engine.account().pause_and_wait(seat, error),
        }
        if self.number == 0 && self.has_slept {
            engine.discards().into_iter().for_each(|discards| discards.notify(engine.account(), seat));
            for number in 0..self.shared.len() {
                self.serve_shared(seat, number)?;
            }
            while let Some(asked) = engine.account().shared().next_asked() {
                serve_asked(engine, seat, &mut *self.server, &asked)?;
            }
        }
        Ok(())
    }

    /// Waits for faults, or for something else to do; how many faults came.
    fn await_faults(&mut self) -> Result<usize> {
        let spun = self.spin()?;
        self.has_slept = spun == 0;
        if spun > 0 {
            return Ok(spun);
        }
        if !self.poll.wait(self.following.idle_after())? {
            self.following.idle();
            return Ok(0);
        }
        if self.poll.readiness(WAKER) != Readiness::Nothing {
            self.engine.waker(self.number).drain();
        }
        // Where discards are tracked, another thread has read them.
        if self.engine.discards().is_none() && self.poll.readiness(USERFAULTFD) == Readiness::Nothing {
            return Ok(0);
        }
        self.engine.read_faults(self.number, &mut self.messages)
    }

    /// Waits for the shared descriptors that there are now.
    fn watch_shared(&mut self) {
        let fds = self.engine.account().shared();
        let version = fds.version();
        if version == self.shared_version {
            return;
        }
        self.shared = fds.list().iter().filter(|shared| shared.is_alive()).cloned().collect();
        self.shared_version = version;
        self.poll.truncate(self.first_shared);
        self.shared.iter().for_each(|shared| self.poll.add_raw(shared.fd()));
    }

    /// Looks for faults for a while without sleeping, where that pays: where a CPU is left for the threads that fault. How many
    /// came. Not with shared descriptors: as long as there are faults of our own, these would have to wait.
    fn spin(&mut self) -> Result<usize> {
        let time = self.spin.time();
        if time.is_zero() || !self.engine.may_spin() || !self.shared.is_empty() || self.following.is_there() {
            return Ok(0);
        }
        let start = Instant::now();
        while start.elapsed() < time && !self.engine.account().gate().is_ending() {
            let count = self.engine.read_faults(self.number, &mut self.messages)?;
            if count > 0 {
                self.spin.hit();
                return Ok(count);
            }
            std::hint::spin_loop();
        }
        self.spin.missed();
        Ok(0)
    }

    /// Serves a batch of faults, each page once.
    fn serve(&mut self, seat: &mut Seat, count: usize) -> Result<(), Ending> {
        let (engine, now) = (self.engine, Instant::now());
        let (messages, pages) = (&mut self.messages[..count], &mut self.pages[..count]);
        Stats::count(&engine.account().stats().faults, messages.len() as u64);
        messages.sort_unstable_by_key(|message| message.address);
        for (page, message) in pages.iter_mut().zip(&*messages) {
            *page = engine.account().table().locate(message.address);
        }
        begin_waits(engine, now, pages, messages);
        if self.tells_faults {
            tell_faults(engine, pages, messages);
        }
        let idle = now.saturating_duration_since(self.idle_since);
        if self.has_slept {
            self.spin.slept(idle);
        }
        let concurrent = self.concurrency.update(messages.iter().map(|message| message.thread_id), idle);
        if concurrent {
            pages.iter().flatten().skip(1).for_each(|(index, page)| self.server.queued(*index, *page));
        }
        let mut before = None;
        for (place, message) in pages.iter().zip(&*messages) {
            if let (&Some((index, page)), true) = (place, *place != before) {
                let fault = PageFault { index, page, address: message.address, concurrent };
                serve_page(engine, seat, &mut *self.server, &fault)?;
            }
            before = *place;
        }
        self.following.faulted(messages.iter().map(|message| message.thread_id));
        self.idle_since = Instant::now();
        Ok(())
    }

    /// Has a message of a shared descriptor dealt with, if there is one; after a failure again, once resumed.
    fn serve_shared(&mut self, seat: &mut Seat, number: usize) -> Result<(), Ending> {
        let account = self.engine.account();
        let shared = &self.shared[number];
        match self.poll.readiness(self.first_shared + number) {
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
            self.shared_version = u64::MAX;
        }
        Ok(())
    }
}

/// Notes which threads wait for which pages since now.
fn begin_waits(engine: &Engine, now: Instant, pages: &[Option<(usize, usize)>], messages: &[Message]) {
    let (waits, callbacks) = (engine.account().waits(), engine.account().callbacks());
    let mut vcpus = [None; BATCH];
    if waits.has_vcpus() {
        // Before the lock is taken: the callback may take its time.
        for (vcpu, message) in vcpus.iter_mut().zip(messages) {
            *vcpu = callbacks.infallible("the vcpu_index callback", None, |hooks| hooks.vcpu_index(message.thread_id));
        }
    }
    let faults = pages.iter().zip(vcpus);
    let faults =
        faults.filter_map(|(page, vcpu)| page.map(|(index, page)| (engine.block(index).address_of(page), vcpu)));
    waits.begin(waits.at(now), faults);
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

/// Serves a page that a client of a shared descriptor waits for, as a fault of our own.
pub(super) fn serve_asked(
    engine: &Engine,
    seat: &mut Seat,
    server: &mut dyn FaultServer,
    asked: &Asked,
) -> Result<(), Ending> {
    let account = engine.account();
    // Removed meanwhile: no client waits for it any more.
    let (Ok(index), Ok(shared)) = (account.table().by_id(asked.block), account.shared().get(asked.fd)) else {
        return Ok(());
    };
    let block = engine.block(index);
    let page = asked.page;
    let fault = PageFault { index, page, address: block.address_of(page), concurrent: false };
    serve_page(engine, seat, server, &fault)?;
    // In place: the client goes on. Otherwise its waker is called when it will be.
    if block.received().get(page) {
        account.log_failure(shared.wake(block, asked.client_addr));
    }
    Ok(())
}
