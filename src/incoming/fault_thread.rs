//! A fault thread: reads the faults of its userfaultfd and has each served. The first one serves the shared descriptors,
//! too.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::config::LogLevel;
use super::crowd::Crowd;
use super::engine::Engine;
use super::fault::Fault;
use super::following::Following;
use super::gate::{Ending, NO_BLOCK};
use super::shared::{Asked, SharedFd};
use super::spin::Spin;
use crate::error::{Error, Result};
use crate::kernel::{BATCH, Message, Poll, Readiness};
use crate::stats::Stats;

/// Serves until all is ending.
pub(super) fn run(engine: &Engine, worker: usize) {
    let mut thread = FaultThread::new(engine, worker);
    while !engine.gate.is_ending() {
        let stopped = match thread.step() {
            Ok(()) => continue,
            // The userfaultfd itself failed: it must not be asked again and again.
            Err(Stop::Failed(error)) => engine.stand_still(worker, error),
            Err(Stop::Ending) => Err(Ending),
        };
        if let Err(Ending) = stopped {
            return;
        }
    }
}

/// Why a step did not come to its end.
enum Stop {
    Ending,
    Failed(Error),
}

impl From<Ending> for Stop {
    fn from(_: Ending) -> Self {
        Stop::Ending
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

struct FaultThread<'a> {
    engine: &'a Engine,
    worker: usize,
    messages: [Message; BATCH],
    /// When there was nothing more to serve.
    idle_since: Instant,
    spin: Spin,
    following: Following,
    crowd: Crowd,
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
    fn new(engine: &'a Engine, worker: usize) -> Self {
        let mut poll = Poll::default();
        poll.add(engine.wakers[worker].as_fd());
        // Where discards are tracked, another thread reads, and wakes this one.
        if engine.discards.is_none() {
            poll.add(engine.registration.uffds()[worker].as_fd());
        }
        Self {
            engine,
            worker,
            messages: [Message::default(); BATCH],
            idle_since: Instant::now(),
            spin: Spin::new(Duration::from_micros(engine.spin_us.into())),
            following: Following::default(),
            crowd: Crowd::default(),
            first_shared: poll.len(),
            poll,
            shared: Arc::default(),
            // An older version than any list has.
            shared_version: u64::MAX,
        }
    }

    /// Waits for something to do, and does it.
    fn step(&mut self) -> Result<(), Stop> {
        if self.worker == 0 {
            self.watch_shared();
        }
        let spun = self.look()?;
        if spun > 0 {
            return Ok(self.serve(spun, self.idle_since.elapsed())?);
        }
        if !self.poll.wait(self.following.idle_after())? {
            self.following.idle();
            return Ok(());
        }
        if self.poll.readiness(WAKER) != Readiness::Nothing {
            self.engine.wakers[self.worker].drain();
        }
        if self.engine.discards.is_some() || self.poll.readiness(USERFAULTFD) != Readiness::Nothing {
            let count = self.engine.read_faults(self.worker, &mut self.messages)?;
            if count > 0 {
                let idle = self.idle_since.elapsed();
                self.spin.slept(idle);
                self.serve(count, idle)?;
            }
        }
        if self.worker == 0 {
            self.engine.notify_discards(self.worker);
            for number in 0..self.shared.len() {
                self.serve_shared(number)?;
            }
            while let Some(asked) = self.engine.shared.next_asked() {
                serve_asked(self.engine, self.worker, &asked)?;
            }
        }
        Ok(())
    }

    /// Waits for the shared descriptors that there are now.
    fn watch_shared(&mut self) {
        let version = self.engine.shared.version();
        if version == self.shared_version {
            return;
        }
        self.shared = self.engine.shared.list().iter().filter(|shared| shared.is_alive()).cloned().collect();
        self.shared_version = version;
        self.poll.truncate(self.first_shared);
        self.shared.iter().for_each(|shared| self.poll.add_raw(shared.fd()));
    }

    /// Looks for faults for a while without sleeping, where that pays: where a CPU is left for who faults. Not with shared
    /// descriptors: as long as there are faults of our own, these would have to wait.
    fn look(&mut self) -> Result<usize> {
        let time = self.spin.time();
        let taken = self.engine.wakers.len() + self.engine.loaders.load(Relaxed);
        if time.is_zero() || taken >= self.engine.cpus || !self.shared.is_empty() || self.following.is_there() {
            return Ok(0);
        }
        let start = Instant::now();
        while start.elapsed() < time && !self.engine.gate.is_ending() {
            let count = self.engine.read_faults(self.worker, &mut self.messages)?;
            if count > 0 {
                self.spin.hit();
                return Ok(count);
            }
            std::hint::spin_loop();
        }
        self.spin.missed();
        Ok(0)
    }

    /// Serves a batch of faults, each page once; there was nothing to do for so long before.
    fn serve(&mut self, count: usize, idle: Duration) -> Result<(), Ending> {
        let Self { engine, worker, .. } = *self;
        let messages = &mut self.messages[..count];
        Stats::count(&engine.stats.faults, messages.len() as u64);
        messages.sort_unstable_by_key(|message| message.address);
        let mut pages = [None; BATCH];
        let now = engine.waits.now();
        for (page, message) in pages.iter_mut().zip(&*messages) {
            *page = locate(engine, message.address);
            if let Some((index, page)) = *page {
                let page = engine.block(index).address_of(page);
                engine.waits.begin(page, vcpu_of(engine, message.thread_id), now);
            }
        }
        let crowded = self.crowd.came(messages.iter().map(|message| message.thread_id), idle);
        if let Some(load) = engine.load.as_ref().filter(|_| crowded) {
            pages.iter().flatten().skip(1).for_each(|(index, page)| load.queued(*index, *page));
        }
        let mut before = None;
        for (place, message) in pages.iter().zip(&*messages) {
            if let (&Some((index, page)), true) = (place, *place != before) {
                serve_page(&Fault { engine, worker, index, page, address: message.address, crowded })?;
            }
            before = *place;
        }
        self.following.faulted(messages.iter().map(|message| message.thread_id));
        self.idle_since = Instant::now();
        Ok(())
    }

    /// Has a message of a shared descriptor dealt with, if there is one; after a failure again, once resumed.
    fn serve_shared(&mut self, number: usize) -> Result<(), Ending> {
        let Self { engine, worker, .. } = *self;
        let shared = &self.shared[number];
        match self.poll.readiness(self.first_shared + number) {
            Readiness::Nothing => return Ok(()),
            Readiness::Readable => {}
            Readiness::Broken => {
                shared.give_up(&engine.callbacks, "its other end is gone");
                // Not to be waited for again.
                self.shared_version = u64::MAX;
                return Ok(());
            }
        }
        let mut pending = None;
        loop {
            let pass = engine.gate.enter(worker, NO_BLOCK)?;
            match shared.serve(&engine.callbacks, &mut pending) {
                Ok(()) => break,
                Err(error) => engine.fail(pass, error),
            }
        }
        if !shared.is_alive() {
            self.shared_version = u64::MAX;
        }
        Ok(())
    }
}

/// Serves a page that a client of a shared descriptor waits for, as a fault of our own.
pub(super) fn serve_asked(engine: &Engine, worker: usize, asked: &Asked) -> Result<(), Ending> {
    // Removed meanwhile: nobody waits for it any more.
    let (Ok(index), Ok(shared)) = (engine.table.by_id(asked.block), engine.shared.get(asked.fd)) else {
        return Ok(());
    };
    let block = engine.block(index);
    let page = asked.page;
    serve_page(&Fault { engine, worker, index, page, address: block.address_of(page), crowded: false })?;
    // In place: the client goes on. Otherwise its waker is called when it will be.
    if block.received().get(page) {
        if let Err(error) = shared.wake(block, asked.client_addr) {
            engine.callbacks.log(LogLevel::Warning, error.message());
        }
    }
    Ok(())
}

/// The block and page that an address lies in.
fn locate(engine: &Engine, address: usize) -> Option<(usize, usize)> {
    let index = engine.table.by_address(address)?;
    let block = engine.block(index);
    Some((index, block.page_of(address - block.host())))
}

fn vcpu_of(engine: &Engine, thread_id: u32) -> Option<u32> {
    if !engine.waits.knows_vcpus() {
        return None;
    }
    engine.callbacks.infallible("the vcpu_index callback", None, |hooks| hooks.vcpu_index(thread_id))
}

/// Has one page served; after a failure again, once resumed.
pub(super) fn serve_page(fault: &Fault<'_>) -> Result<(), Ending> {
    let engine = fault.engine;
    let block = engine.block(fault.index);
    loop {
        let pass = engine.gate.enter(fault.worker, fault.index)?;
        let removed = block.is_removed();
        // Never twice: a page that was received does not go to the handler again.
        let ask = !removed && !block.received().get(fault.page) && engine.request(fault.index, fault.page);
        let served = if removed {
            engine.fill_removed(fault.index, fault.page)
        } else if ask {
            let asked = engine.callbacks.owner.call("the page handler", || engine.handler.page(fault));
            asked.and_then(|result| result)
        } else {
            engine.fill_discarded(fault.index, fault.page)
        };
        match served {
            Ok(()) => return Ok(()),
            // Removed meanwhile: zeros will do.
            Err(_) if !removed && block.is_removed() => {}
            Err(error) => {
                let offset = block.offset_of(fault.page);
                let error = error.context(format_args!("{block}, offset {offset:#x}, address {:#x}", fault.address));
                match engine.poison(fault.index, &[fault.page], error) {
                    Ok(()) => return Ok(()),
                    Err(error) => engine.fail(pass, error),
                }
            }
        }
    }
}
