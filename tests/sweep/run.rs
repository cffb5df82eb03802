//! One run of a scenario: which failure there is in it, and what came of it.

use std::cell::RefCell;
use std::fmt;

use nix::errno::Errno;
use uffd_incoming::injection::{self, Call, Failure};
use uffd_incoming::{Error, Result};

use super::plan::{Plan, Until};
use super::snapshots::Snapshots;

pub struct Run<'a> {
    pub plan: Option<Plan>,
    pub snapshots: &'a Snapshots,
    pub outcomes: RefCell<Outcome>,
}

/// What came of the failure. Nothing at all: it was absorbed.
#[derive(Default)]
pub struct Outcome {
    /// A set-up, or the opening of a snapshot, failed.
    pub setup_failed: usize,
    /// All paused.
    pub paused: usize,
    /// Another call failed.
    pub call_failed: usize,
    /// It was aborted: the failure lasted.
    pub aborted: usize,
}

/// How many runs had which outcome.
#[derive(Default)]
pub struct Outcomes {
    setup_failed: usize,
    paused: usize,
    call_failed: usize,
    absorbed: usize,
    aborted: usize,
}

/// The failure lasts, and the run is to end.
#[derive(Debug)]
pub struct Abandoned;

/// How often a failure is seen before it is mended, or before the run is abandoned.
const ENOUGH: usize = 2;

impl<'a> Run<'a> {
    pub fn new(plan: Option<Plan>, snapshots: &'a Snapshots) -> Self {
        Self { plan, snapshots, outcomes: RefCell::default() }
    }

    /// Sets up, or opens, what is all or nothing: `check_nothing` looks whether nothing is left after a failure.
    pub fn set_up<T>(
        &self,
        what: &str,
        mut try_it: impl FnMut() -> Result<T>,
        check_nothing: impl Fn(),
    ) -> Result<T, Abandoned> {
        self.insist(what, &mut try_it, |outcome| &mut outcome.setup_failed, check_nothing)
    }

    /// Makes a call that may fail, and is to succeed when it is made once more.
    pub fn call<T>(&self, what: &str, mut try_it: impl FnMut() -> Result<T>) -> Result<T, Abandoned> {
        self.insist(what, &mut try_it, |outcome| &mut outcome.call_failed, || ())
    }

    fn insist<T>(
        &self,
        what: &str,
        try_it: &mut dyn FnMut() -> Result<T>,
        count: impl Fn(&mut Outcome) -> &mut usize,
        after_failure: impl Fn(),
    ) -> Result<T, Abandoned> {
        for failed in 1.. {
            let error = match try_it() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            self.check(&error, what);
            *count(&mut self.outcomes.borrow_mut()) += 1;
            after_failure();
            self.seen(failed, what)?;
        }
        unreachable!()
    }

    /// A failure has been seen so many times. Once is enough where it happens once.
    pub fn seen(&self, times: usize, what: &str) -> Result<(), Abandoned> {
        match self.plan.map(|plan| plan.until) {
            None | Some(Until::Once) => assert!(times < 2, "{what} failed again"),
            Some(Until::Mended) if times == ENOUGH => injection::mend(),
            Some(Until::Mended) => assert!(times < 2 * ENOUGH, "{what} failed after the failure was mended"),
            Some(Until::ForEver) if times == ENOUGH => return Err(Abandoned),
            Some(Until::ForEver) => {}
        }
        Ok(())
    }

    /// Is this the error that comes of the plan?
    #[track_caller]
    pub fn check(&self, error: &Error, what: &str) {
        let plan = self.plan.unwrap_or_else(|| panic!("{what} failed without a failure: {error}"));
        assert!(injection::counters().injected > 0, "{what} failed before the failure: {error}");
        let Failure::Errno(errno) = plan.failure else { panic!("{what} failed, and nothing did: {error}") };
        let translated = match (plan.call, errno) {
            // What was to be poisoned could not be read, and that is the reason.
            (Call::Poison, _) => libc::EIO,
            // Without /proc there is no opening once more.
            (Call::Open, Errno::ENOENT) if error.message().contains("O_DIRECT") => libc::EOPNOTSUPP,
            // Not mapped. Not open in this process.
            (Call::Msync, Errno::ENOMEM) | (Call::Open | Call::ListDescriptors | Call::Duplicate, _) => libc::EINVAL,
            _ => errno as i32,
        };
        assert!([errno as i32, translated].contains(&error.errno()), "{what} failed with another errno: {error}");
    }
}

impl Outcomes {
    pub fn add(&mut self, outcome: &Outcome) {
        let kind = if outcome.aborted > 0 {
            &mut self.aborted
        } else if outcome.paused > 0 {
            &mut self.paused
        } else if outcome.setup_failed > 0 {
            &mut self.setup_failed
        } else if outcome.call_failed > 0 {
            &mut self.call_failed
        } else {
            &mut self.absorbed
        };
        *kind += 1;
    }
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} absorbed, {} an error of a set-up, {} paused and resumed, {} an error of another call, {} aborted",
            self.absorbed, self.setup_failed, self.paused, self.call_failed, self.aborted
        )
    }
}
