//! How a fault thread sleeps until there is something to do for it: in read() of its userfaultfd if it waits for nothing else, in
//! poll() otherwise.

use std::mem;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::engine::{Engine, FaultsRead};
use super::shared::SharedFd;
use super::waker::IDLE;
use crate::error::{Error, Result};
use crate::kernel::{BATCH, Message, Poll, Readiness, Userfaultfd};

pub(super) struct Sleep {
    /// The userfaultfd's.
    number: usize,
    /// The waker, the userfaultfd if this thread reads it, and then the shared descriptors.
    poll: Poll,
    first_shared: usize,
    shared: Arc<[Arc<SharedFd>]>,
    /// Which version of the list of shared descriptors that is.
    shared_version: u64,
    /// It sleeps in read().
    is_reading: bool,
    /// It has looked since the last sleep.
    is_spinning: bool,
    /// The kernel has refused to change how it sleeps: not to be asked again.
    refused: bool,
}

/// What has ended a sleep.
pub(super) enum Woken {
    /// So many faults were read; and it was called for something else, too, if it was.
    Faults(FaultsRead),
    /// No fault came for [`IDLE`], and nothing else.
    Idle,
}

const WAKER: usize = 0;
const USERFAULTFD: usize = 1;

impl Sleep {
    pub fn new(engine: &Engine, number: usize) -> Self {
        let mut poll = Poll::default();
        poll.add(engine.waker(number).eventfd());
        // Where discards are tracked, another thread reads, and wakes this one.
        if engine.discards().is_none() {
            poll.add(engine.registration().uffds()[number].as_fd());
        }
        Self {
            number,
            first_shared: poll.len(),
            poll,
            shared: Arc::default(),
            // An older version than any list has.
            shared_version: u64::MAX,
            is_reading: false,
            is_spinning: false,
            refused: false,
        }
    }

    /// The shared descriptors that are waited for, too.
    pub fn shared(&self) -> &Arc<[Arc<SharedFd>]> {
        &self.shared
    }

    /// What a shared descriptor had to say in the last sleep.
    pub fn readiness(&self, shared: usize) -> Readiness {
        if self.is_reading { Readiness::Nothing } else { self.poll.readiness(self.first_shared + shared) }
    }

    /// Waits for the shared descriptors that there are now.
    pub fn watch_shared(&mut self, engine: &Engine) {
        let fds = engine.account().shared();
        let version = fds.version();
        if version == self.shared_version {
            return;
        }
        self.shared = fds.list().iter().filter(|shared| shared.is_alive()).cloned().collect();
        self.shared_version = version;
        self.poll.truncate(self.first_shared);
        self.shared.iter().for_each(|shared| self.poll.add_raw(shared.fd()));
    }

    /// One of them is not to be waited for any more.
    pub fn unwatch_dead(&mut self) {
        self.shared_version = u64::MAX;
    }

    /// Faults have been served. Whether the next sleep is to end when no fault comes for [`IDLE`].
    pub fn served(&self, engine: &Engine, ends_idle: bool) {
        engine.waker(self.number).bell().into_iter().for_each(|bell| bell.served(ends_idle));
    }

    /// Sleeps until there is something to do, but for [`IDLE`] at most if `ends_idle`. In read(), if nothing is against that.
    pub fn sleep(&mut self, engine: &Engine, messages: &mut [Message; BATCH], ends_idle: bool) -> Result<Woken> {
        // It will look again: changing to and fro would cost more than poll().
        let is_spinning = mem::take(&mut self.is_spinning);
        if !self.shared.is_empty() || is_spinning {
            self.stop_reading(engine)?;
        } else if !self.is_reading && self.start_reading(engine) && engine.waker(self.number).drain() {
            // Woken before that, and so without the bell.
            return Ok(Woken::Faults(FaultsRead { count: 0, is_called: true }));
        }
        if self.is_reading {
            return self.read(engine, messages).map(Woken::Faults);
        }
        if !self.poll.wait(ends_idle.then_some(IDLE.as_millis() as u16))? {
            return Ok(Woken::Idle);
        }
        if self.poll.readiness(WAKER) != Readiness::Nothing {
            engine.waker(self.number).drain();
        }
        // Where discards are tracked, another thread has read them.
        let is_nothing = engine.discards().is_none() && self.poll.readiness(USERFAULTFD) == Readiness::Nothing;
        let count = if is_nothing { 0 } else { self.read(engine, messages)?.count };
        Ok(Woken::Faults(FaultsRead { count, is_called: true }))
    }

    /// Faults that are there already, without a sleep.
    pub fn look(&mut self, engine: &Engine, messages: &mut [Message; BATCH]) -> Result<FaultsRead> {
        self.stop_reading(engine)?;
        self.is_spinning = true;
        self.read(engine, messages)
    }

    /// Sleeps in read() from now on, if it can.
    fn start_reading(&mut self, engine: &Engine) -> bool {
        let Some(bell) = engine.waker(self.number).bell().filter(|_| !self.refused) else { return false };
        bell.need(true);
        self.is_reading = self.uffd(engine).set_blocking(true).is_ok();
        self.refused = !self.is_reading;
        bell.need(self.is_reading);
        self.is_reading
    }

    fn stop_reading(&mut self, engine: &Engine) -> Result<()> {
        if self.is_reading {
            let stopped = self.uffd(engine).set_blocking(false);
            stopped.map_err(|errno| Error::os(errno, "having no read of the userfaultfd wait (O_NONBLOCK)"))?;
            self.is_reading = false;
            engine.waker(self.number).bell().into_iter().for_each(|bell| bell.need(false));
        }
        Ok(())
    }

    fn uffd<'a>(&self, engine: &'a Engine) -> &'a Userfaultfd {
        &engine.registration().uffds()[self.number]
    }

    fn read(&self, engine: &Engine, messages: &mut [Message; BATCH]) -> Result<FaultsRead> {
        engine.read_faults(self.number, messages)
    }
}
