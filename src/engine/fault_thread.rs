//! A fault thread: reads the faults of its userfaultfd and has each served. The first one serves the shared descriptors,
//! too.

use std::time::{Duration, Instant};

use super::concurrency::Concurrency;
use super::engine::{Engine, FaultsRead};
use super::fault::{FaultServer, PageFault, serve_page};
use super::following::Following;
use super::gate::{Ending, NO_BLOCK, Seat};
use super::shared::Asked;
use super::sleep::{Sleep, Woken};
use super::spin::Spin;
use super::waker::IDLE;
use crate::error::Result;
use crate::kernel::{BATCH, Message, Readiness};
use crate::stats::Stats;

pub(crate) struct FaultThread<'a> {
    engine: &'a Engine,
    /// Its number among the fault threads, and its userfaultfd's.
    number: usize,
    server: Box<dyn FaultServer>,
    messages: [Message; BATCH],
    /// Where the messages' addresses are, in RAM: block and page.
    pages: [Option<(usize, usize)>; BATCH],
    /// When there was nothing more to serve, by the clock of the waits.
    idle_since: u64,
    /// It has slept since.
    has_slept: bool,
    /// It may have been woken for something else than faults.
    is_called: bool,
    spin: Spin,
    following: Following,
    concurrency: Concurrency,
    tells_faults: bool,
    sleep: Sleep<'a>,
}

impl<'a> FaultThread<'a> {
    pub fn new(engine: &'a Engine, number: usize, server: Box<dyn FaultServer>) -> Self {
        Self {
            engine,
            number,
            server,
            messages: [Message::default(); BATCH],
            pages: [None; BATCH],
            idle_since: engine.account().waits().now(),
            has_slept: false,
            is_called: false,
            spin: Spin::new(engine.longest_spin()),
            following: Following::default(),
            concurrency: Concurrency::default(),
            tells_faults: engine.account().callbacks().hooks.wants_faults(),
            sleep: Sleep::new(engine, number),
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
            self.sleep.watch_shared();
        }
        match self.await_faults() {
            Ok(0) => {}
            Ok(count) => self.serve(seat, count)?,
            // The userfaultfd itself failed: it must not be asked again and again.
            Err(error) => return engine.account().pause_and_wait(seat, error),
        }
        if self.number == 0 && self.is_called {
            engine.discards().into_iter().for_each(|discards| discards.notify(engine.account(), seat));
            for number in 0..self.sleep.shared().len() {
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
        self.has_slept = spun.is_none();
        let woken = match spun {
            Some(spun) => Woken::Faults(spun),
            None => self.sleep.sleep(&mut self.messages, self.following.is_there())?,
        };
        let Woken::Faults(FaultsRead { count, is_called }) = woken else {
            self.following.idle();
            return Ok(0);
        };
        if is_called && count == 0 && self.following.is_there() && self.has_been_idle() {
            self.following.idle();
        }
        self.is_called = is_called;
        Ok(count)
    }

    /// Whether no fault has come for [`IDLE`].
    fn has_been_idle(&self) -> bool {
        let now = self.engine.account().waits().now();
        Duration::from_nanos(now.saturating_sub(self.idle_since)) >= IDLE
    }

    /// Looks for faults for a while without sleeping, where that pays: where a CPU is left for the threads that fault. How many
    /// came. Not with shared descriptors: as long as there are faults of our own, these would have to wait.
    fn spin(&mut self) -> Result<Option<FaultsRead>> {
        let time = self.spin.time();
        if time.is_zero() || !self.engine.may_spin() || !self.sleep.shared().is_empty() || self.following.is_there() {
            return Ok(None);
        }
        let start = Instant::now();
        while start.elapsed() < time && !self.engine.account().gate().is_ending() {
            let read = self.sleep.look(&mut self.messages)?;
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

    /// Serves a batch of faults, each page once.
    fn serve(&mut self, seat: &mut Seat, count: usize) -> Result<(), Ending> {
        let (engine, now) = (self.engine, self.engine.account().waits().now());
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
        let idle = Duration::from_nanos(now.saturating_sub(self.idle_since));
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
        self.sleep.served(self.following.is_there());
        self.idle_since = engine.account().waits().latest_end().max(now);
        Ok(())
    }

    /// Has a message of a shared descriptor dealt with, if there is one; after a failure again, once resumed.
    fn serve_shared(&mut self, seat: &mut Seat, number: usize) -> Result<(), Ending> {
        let account = self.engine.account();
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
        return waits.begin(now, addresses.flatten().map(|address| (address, None)));
    }
    // Before the lock is taken: the callback may take its time.
    let mut vcpus = [None; BATCH];
    for (vcpu, message) in vcpus.iter_mut().zip(messages) {
        *vcpu = callbacks.infallible("the vcpu_index callback", None, |hooks| hooks.vcpu_index(message.thread_id));
    }
    waits.begin(now, addresses.zip(vcpus).filter_map(|(address, vcpu)| address.map(|address| (address, vcpu))));
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
