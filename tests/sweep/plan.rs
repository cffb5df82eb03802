//! Which call fails in a run, and until when.

use std::fmt;

use nix::errno::Errno;
use uffd_incoming::injection::{self, Call, Failure};

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub call: Call,
    pub failure: Failure,
    pub number: usize,
    pub until: Until,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// One call fails.
    Once,
    /// All that follow fail, until the scenario has seen enough of it; then all has to come right.
    Mended,
    /// All that follow fail, and the scenario ends by an abort, if it cannot end otherwise.
    ForEver,
}

/// How many calls of a kind fail at most in one way, each in a run of its own: the first ones, the last one, and some in between.
const FIRST: usize = 8;
const BETWEEN: usize = 2;

impl Plan {
    /// The plans for a kind of call that came by `count` times: which of the calls fails matters with one errno, and with each
    /// errno matters that it comes at all. Thorough: which of them, with each errno.
    pub fn all(call: Call, count: usize, thorough: bool) -> impl Iterator<Item = Self> {
        let main = failures(call).find(|failure| can_last(call, *failure));
        failures(call).flat_map(move |failure| {
            let plan = move |number, until| Self { call, failure, number, until };
            let numbers = if thorough || Some(failure) == main { many(count) } else { few(count) };
            let once = numbers.into_iter().map(move |number| plan(number, Until::Once));
            let middle = count / 2 + 1;
            let lasting = [plan(1, Until::ForEver), plan(1, Until::Mended), plan(middle, Until::Mended)];
            once.chain(lasting.into_iter().filter(move |_| can_last(call, failure)))
        })
    }

    /// From its words: call, failure, number, and until when.
    pub fn parse(words: &[&str]) -> Self {
        let [call, failure, number, until @ ..] = words else { panic!("too few words: {words:?}") };
        let call = *Call::ALL.iter().find(|known| format!("{known:?}") == *call).expect("a call's name");
        let failure = failures(call).find(|known| name(*known) == *failure).expect("a failure of this call");
        let until = match until {
            [] => Until::Once,
            ["until-mended"] => Until::Mended,
            ["for-ever"] => Until::ForEver,
            _ => panic!("unknown words: {until:?}"),
        };
        Self { call, failure, number: number.parse().expect("a number"), until }
    }

    /// The same for the library.
    pub fn injected(self) -> injection::Plan {
        let Self { call, failure, number, until } = self;
        injection::Plan { call, number, lasting: until != Until::Once, failure }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = match self.until {
            Until::Once => "",
            Until::Mended => " until-mended",
            Until::ForEver => " for-ever",
        };
        write!(f, "{:?} {} {}{until}", self.call, name(self.failure), self.number)
    }
}

fn many(count: usize) -> Vec<usize> {
    let between = (1..=BETWEEN).map(|part| FIRST + count.saturating_sub(FIRST) * part / (BETWEEN + 1));
    let mut numbers: Vec<_> = (1..=count.min(FIRST)).chain(between).chain([count]).collect();
    numbers.dedup();
    numbers.retain(|number| *number <= count);
    numbers
}

fn few(count: usize) -> Vec<usize> {
    let mut numbers = vec![1, count / 2 + 1, count];
    numbers.dedup();
    numbers
}

/// How a call can fail.
pub fn failures(call: Call) -> impl Iterator<Item = Failure> {
    let short = [Call::Copy, Call::ZeroPage, Call::Move, Call::Poison, Call::Pread, Call::Preadv2].contains(&call);
    call.errnos().iter().map(|errno| Failure::Errno(*errno)).chain(short.then_some(Failure::Short))
}

/// No kernel says for ever that something is to be tried again.
fn can_last(call: Call, failure: Failure) -> bool {
    let placing_or_reading = [Call::Copy, Call::ZeroPage, Call::Poison, Call::ReadFaults, Call::ReadMessage];
    match failure {
        Failure::Errno(Errno::EINTR) => false,
        Failure::Errno(Errno::EAGAIN) => !placing_or_reading.contains(&call),
        Failure::Errno(_) | Failure::Short => true,
    }
}

fn name(failure: Failure) -> String {
    match failure {
        Failure::Errno(errno) => format!("{errno:?}"),
        Failure::Short => "short".to_owned(),
    }
}
