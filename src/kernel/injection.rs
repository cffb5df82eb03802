//! Fault injection, for tests: a plan says which call of the library fails, and how. It fails before it is made, so
//! that nothing is half done.

use nix::errno::Errno;
use parking_lot::Mutex;

pub use super::call::Call;

/// Which call fails, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which kind.
    pub call: Call,
    /// Which one of its kind, counted from 1 over all threads.
    pub number: usize,
    /// Those that follow fail, too.
    pub lasting: bool,
    /// How it fails.
    pub failure: Failure,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It does nothing, and gives this errno value.
    Errno(Errno),
    /// It does less than it was asked for, if it was asked for more than the least there is.
    Short,
}

/// What has happened since [`start`].
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    calls: [usize; Call::ALL.len()],
    /// How many calls failed because of the plan.
    pub injected: usize,
}

impl Counters {
    const NOTHING: Self = Self { calls: [0; Call::ALL.len()], injected: 0 };

    /// How many calls of a kind came by.
    pub fn calls(&self, call: Call) -> usize {
        self.calls[call as usize]
    }
}

static STATE: Mutex<(Option<Plan>, Counters)> = Mutex::new((None, Counters::NOTHING));

/// Counts from now on, and carries out a plan.
pub fn start(plan: Option<Plan>) {
    *STATE.lock() = (plan, Counters::NOTHING);
}

/// Ends the plan: no call fails any more. Counting goes on.
pub fn mend() {
    STATE.lock().0 = None;
}

/// What has happened up to now.
pub fn counters() -> Counters {
    STATE.lock().1
}

pub(super) fn before(call: Call) -> nix::Result<()> {
    before_bytes(call, 0, || 0).map(drop)
}

pub(super) fn before_bytes(call: Call, length: usize, less: impl FnOnce() -> usize) -> nix::Result<usize> {
    let less = less();
    let (plan, counters) = &mut *STATE.lock();
    counters.calls[call as usize] += 1;
    let number = counters.calls(call);
    let hit = |plan: &&mut Plan| plan.call == call && (number == plan.number || plan.lasting && number > plan.number);
    match plan.as_mut().filter(hit).map(|plan| plan.failure) {
        Some(Failure::Errno(errno)) => {
            counters.injected += 1;
            Err(errno)
        }
        Some(Failure::Short) if less < length => {
            counters.injected += 1;
            Ok(less)
        }
        Some(Failure::Short) | None => Ok(length),
    }
}
