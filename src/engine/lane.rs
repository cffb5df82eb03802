//! The threads of one userfaultfd, one of which leads: it reads the faults, and serves those that take no waiting. Where one takes
//! waiting for a disk, the leader lets another thread lead, and waits for it itself: the next fault is read meanwhile, and this
//! one is served no later than by a thread alone.

use std::collections::VecDeque;

use super::fault::PageFault;
use crate::error::{Result, error, with_room};
use crate::sync::{Condvar, Mutex};

pub(crate) struct Lane<L> {
    state: Mutex<State<L>>,
    changed: Condvar,
    /// How many threads take turns.
    threads: usize,
}

struct State<L> {
    /// What the leader needs, while nobody leads.
    lead: Option<L>,
    /// How many threads have nothing to do.
    idle: usize,
    /// Faults that take waiting, and that no thread was idle for.
    left: VecDeque<PageFault>,
    in_flight: Vec<Flight>,
    is_over: bool,
}

/// A page that a thread waits for a disk for, or will.
struct Flight {
    index: usize,
    page: usize,
    /// Another thread has faulted on it since.
    is_wanted: bool,
}

/// How many faults wait for a disk at once, and how many more for a thread that does. Those that follow are served by the leader.
const MOST: usize = 256;

/// What a thread is to do next.
pub(crate) enum Turn<'a, L> {
    Lead(Lead<'a, L>),
    /// To serve a fault that takes waiting.
    Serve(InFlight<'a, L>),
}

/// Who waits for a disk.
pub(crate) enum WhoWaits<'a, L> {
    /// This thread, and another one leads now.
    This(InFlight<'a, L>),
    /// Another one, now or later: this one goes on leading.
    Other(Lead<'a, L>),
    /// This thread, which goes on leading afterwards: too many faults wait already.
    Leader(Lead<'a, L>),
}

/// The leader's, which goes to the next one when it is dropped.
pub(crate) struct Lead<'a, L> {
    lane: &'a Lane<L>,
    lead: Option<L>,
}

/// A fault that this thread waits for a disk for. Nobody else serves that page until it is dropped.
pub(crate) struct InFlight<'a, L> {
    lane: &'a Lane<L>,
    pub fault: PageFault,
    is_over: bool,
}

impl<L> Lane<L> {
    /// For so many threads, of which the first to come leads.
    pub fn new(lead: L, threads: usize) -> Result<Self> {
        // All the room there will ever be: nothing is allocated on the path of a fault.
        let room = if threads > 1 { MOST } else { 0 };
        let in_flight = with_room(2 * room, "the faults that wait for a disk")?;
        let mut left = VecDeque::new();
        left.try_reserve_exact(room).map_err(|_| error!(ENOMEM, "no memory for the faults that wait for a disk"))?;
        let state = State { lead: Some(lead), idle: 0, left, in_flight, is_over: false };
        Ok(Self { state: Mutex::new(state), changed: Condvar::new(), threads })
    }

    /// Whether there is any thread beside the one that leads.
    pub fn has_others(&self) -> bool {
        self.threads > 1
    }

    /// What this thread is to do next, as soon as there is something. None when all is over.
    pub fn next(&self) -> Option<Turn<'_, L>> {
        let mut state = self.state.lock();
        loop {
            if state.is_over {
                return None;
            }
            if let Some(lead) = state.lead.take() {
                return Some(Turn::Lead(Lead { lane: self, lead: Some(lead) }));
            }
            if let Some(fault) = state.left.pop_front() {
                return Some(Turn::Serve(InFlight { lane: self, fault, is_over: false }));
            }
            state.idle += 1;
            self.changed.wait(&mut state);
            state.idle -= 1;
        }
    }

    /// The faults that no thread was idle for, once all is over.
    #[cfg(all(test, shuttle))]
    pub(super) fn drain_left(&self) -> Vec<PageFault> {
        self.state.lock().left.drain(..).collect()
    }

    /// Its page is in flight no longer. Whether other threads have faulted on it since.
    fn land(&self, fault: &PageFault) -> bool {
        let in_flight = &mut self.state.lock().in_flight;
        let at = in_flight.iter().position(|flight| flight.is_of(fault));
        at.is_some_and(|at| in_flight.swap_remove(at).is_wanted)
    }

    /// All is ending: threads return from [`Lane::next`].
    pub fn end(&self) {
        self.state.lock().is_over = true;
        self.changed.notify_all();
    }
}

impl<'a, L> Lead<'a, L> {
    pub fn get(&mut self) -> &mut L {
        self.lead.as_mut().expect("held until it is dropped")
    }

    /// This fault takes waiting: who waits?
    pub fn wait_for(mut self, fault: PageFault) -> WhoWaits<'a, L> {
        let lane = self.lane;
        let mut state = lane.state.lock();
        if let Some(flight) = state.in_flight.iter_mut().find(|flight| flight.is_of(&fault)) {
            flight.is_wanted = true;
            drop(state);
            return WhoWaits::Other(self);
        }
        let is_idle = state.idle > 0;
        if state.left.len() == MOST || state.in_flight.len() == 2 * MOST {
            drop(state);
            return WhoWaits::Leader(self);
        }
        state.in_flight.push(Flight { index: fault.index, page: fault.page, is_wanted: false });
        if !is_idle {
            state.left.push_back(fault);
            drop(state);
            return WhoWaits::Other(self);
        }
        state.lead = self.lead.take();
        drop(state);
        lane.changed.notify_one();
        WhoWaits::This(InFlight { lane, fault, is_over: false })
    }
}

impl<L> InFlight<'_, L> {
    /// It has been served. Whether other threads have faulted on the page since, which then have to be woken.
    pub fn end(mut self) -> bool {
        self.is_over = true;
        self.lane.land(&self.fault)
    }
}

impl Flight {
    fn is_of(&self, fault: &PageFault) -> bool {
        (self.index, self.page) == (fault.index, fault.page)
    }
}

impl<L> Drop for Lead<'_, L> {
    fn drop(&mut self) {
        if let Some(lead) = self.lead.take() {
            self.lane.state.lock().lead = Some(lead);
            self.lane.changed.notify_one();
        }
    }
}

impl<L> Drop for InFlight<'_, L> {
    fn drop(&mut self) {
        if !self.is_over {
            self.lane.land(&self.fault);
        }
    }
}
