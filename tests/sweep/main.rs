//! A sweep of failures: each scenario is run again and again, and each time another system call of it fails, in each way
//! that it can. Whatever fails, what the library promises has to hold: a set-up is all or nothing, no page is wrong,
//! nothing is complete that is not, nothing hangs, nothing is left behind; and once the failure is over, all goes on.
//!
//! `UFFD_SWEEP='load-anonymous Copy ENOMEM 3'` makes one run of a scenario, in which the third UFFDIO_COPY fails with
//! ENOMEM. `short` for the errno: it does less. Behind the number, `until-mended`: those that follow fail, too, until the
//! scenario has seen enough of it; or `for-ever`. The name of a scenario alone sweeps that one. `UFFD_SWEEP=all` lets each of
//! the first calls fail with each errno, and not with one of them; `all` may stand before a name, too.
//!
//! Without a name, each scenario is swept in a process of its own, two at a time: they wait a lot.

mod left_behind;
mod loading;
mod opening;
mod placing;
mod plan;
mod poisoning;
mod ram;
mod rig;
mod run;
mod sharing;
mod snapshots;
mod watchdog;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use uffd_incoming::injection::{self, Call, Counters};

use self::left_behind::Resources;
use self::plan::Plan;
use self::run::{Outcomes, Run};
use self::snapshots::Snapshots;

/// What the library is used for.
struct Scenario {
    name: &'static str,
    play: fn(&Run<'_>),
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "open", play: opening::play },
    Scenario { name: "place", play: |run| placing::play(run, 1) },
    Scenario { name: "place-2", play: |run| placing::play(run, 2) },
    Scenario { name: "poison", play: poisoning::play },
    Scenario { name: "load-anonymous", play: |run| loading::play(run, &loading::ANONYMOUS) },
    Scenario { name: "load-threads", play: |run| loading::play(run, &loading::THREADS) },
    Scenario { name: "load-direct", play: |run| loading::play(run, &loading::DIRECT) },
    Scenario { name: "load-mapped", play: |run| loading::play(run, &loading::MAPPED) },
    Scenario { name: "load-memfd", play: |run| loading::play(run, &loading::MEMFD) },
    Scenario { name: "load-private-memfd", play: |run| loading::play(run, &loading::PRIVATE_MEMFD) },
    Scenario { name: "load-working-set", play: |run| loading::play(run, &loading::WORKING_SET) },
    Scenario { name: "share", play: sharing::play },
];

/// The environment variable that says which failures.
const WANTED: &str = "UFFD_SWEEP";

/// How many scenarios are swept at once.
const AT_ONCE: usize = 2;

/// What came of all runs of a scenario.
#[derive(Default)]
struct Sweep {
    calls: Vec<Call>,
    runs: usize,
    injected: usize,
    outcomes: Outcomes,
    failed: usize,
}

fn main() -> ExitCode {
    let wanted = std::env::var(WANTED).unwrap_or_default();
    let mut words: Vec<_> = wanted.split_whitespace().collect();
    let thorough = words.first() == Some(&"all");
    words.drain(..usize::from(thorough));
    let passed = match words.split_first() {
        None => sweep_all(thorough),
        Some((name, plan)) => sweep_one(name, plan, thorough),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Each scenario in a process of its own; whether all went as it should.
fn sweep_all(thorough: bool) -> bool {
    let start = Instant::now();
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let sweep_next = || {
        while let Some(Scenario { name, .. }) = SCENARIOS.get(next.fetch_add(1, SeqCst)) {
            let mut sweep = Command::new(std::env::current_exe().unwrap());
            sweep.env(WANTED, if thorough { format!("all {name}") } else { (*name).to_owned() });
            if !sweep.status().unwrap().success() {
                println!("FAILED: {name}");
                failed.fetch_add(1, SeqCst);
            }
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(sweep_next))));
    let failed = failed.into_inner();
    println!(
        "sweep: {} scenarios passed, {failed} failed; {:.1} s",
        SCENARIOS.len() - failed,
        start.elapsed().as_secs_f32()
    );
    failed == 0
}

/// One scenario, with each failure there is or with one.
fn sweep_one(name: &str, plan: &[&str], thorough: bool) -> bool {
    let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) else {
        println!("FAILED: there is no scenario {name}");
        return false;
    };
    left_behind::make_countable();
    watchdog::start();
    let start = Instant::now();
    let snapshots = Snapshots::new();
    let mut sweep = Sweep::default();
    match plan {
        [] => sweep.sweep(scenario, &snapshots, thorough),
        plan => sweep.run(scenario, &snapshots, Some(Plan::parse(plan))),
    }
    sweep.report(name, start);
    sweep.failed == 0 && sweep.runs > 0
}

impl Sweep {
    /// Runs a scenario with each failure there is.
    fn sweep(&mut self, scenario: &Scenario, snapshots: &Snapshots, thorough: bool) {
        // What is only ever allocated once is allocated in the first run.
        self.run(scenario, snapshots, None);
        self.run(scenario, snapshots, None);
        let counted = injection::counters();
        for call in Call::ALL.iter().copied().filter(|call| counted.calls(*call) > 0) {
            Plan::all(call, counted.calls(call), thorough).for_each(|plan| self.run(scenario, snapshots, Some(plan)));
        }
    }

    fn run(&mut self, scenario: &Scenario, snapshots: &Snapshots, plan: Option<Plan>) {
        let words = plan.map_or("without a failure".to_owned(), |plan| plan.to_string());
        watchdog::watch(Some(format!("{} {words}", scenario.name)));
        let before = Resources::count();
        injection::start(plan.map(Plan::injected));
        let run = Run::new(plan, snapshots);
        let played = catch_unwind(AssertUnwindSafe(|| (scenario.play)(&run)));
        let counters: Counters = injection::counters();
        injection::mend();
        let played = played.and_then(|()| catch_unwind(|| before.check("the scenario")));
        watchdog::watch(None);
        if played.is_err() {
            println!("FAILED: UFFD_SWEEP='{} {words}'", scenario.name);
            self.failed += 1;
        }
        match plan {
            Some(plan) if counters.injected > 0 => {
                self.injected += 1;
                self.outcomes.add(&run.outcomes.into_inner());
                if !self.calls.contains(&plan.injected().call) {
                    self.calls.push(plan.injected().call);
                }
            }
            _ => {}
        }
        self.runs += 1;
    }

    fn report(&self, name: &str, start: Instant) {
        let failures: usize = self.calls.iter().map(|call| plan::failures(*call).count()).sum();
        println!(
            "{name}: {} kinds of calls with {failures} failures, {} runs, {} with an injected failure: {}; \
             {} went wrong; {:.1} s",
            self.calls.len(),
            self.runs,
            self.injected,
            self.outcomes,
            self.failed,
            start.elapsed().as_secs_f32()
        );
    }
}
