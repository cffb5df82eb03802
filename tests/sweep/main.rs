//! A sweep of failures: each scenario is run again and again, and each time another system call of it fails, in each way
//! that it can. Whatever fails, what the library promises has to hold: a set-up is all or nothing, no page is wrong,
//! nothing is complete that is not, nothing hangs, nothing is left behind; and once the failure is over, all goes on.
//!
//! `UFFD_SWEEP='load-anonymous Copy ENOMEM 3'` makes one run of a scenario, in which the third UFFDIO_COPY fails with
//! ENOMEM. `short` for the errno: it does less. Behind the number, `until-mended`: those that follow fail, too, until the
//! scenario has seen enough of it; or `for-ever`. The name of a scenario alone sweeps that one. `UFFD_SWEEP=all` lets each of
//! the first calls fail with each errno, and not with one of them.

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
use std::process::ExitCode;
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
    Scenario { name: "load-memfd", play: |run| loading::play(run, &loading::MEMFD) },
    Scenario { name: "load-private-memfd", play: |run| loading::play(run, &loading::PRIVATE_MEMFD) },
    Scenario { name: "load-working-set", play: |run| loading::play(run, &loading::WORKING_SET) },
    Scenario { name: "share", play: sharing::play },
];

/// What came of all runs.
#[derive(Default)]
struct Sweep {
    scenarios: usize,
    calls: Vec<Call>,
    runs: usize,
    injected: usize,
    outcomes: Outcomes,
    failed: usize,
}

fn main() -> ExitCode {
    left_behind::make_countable();
    watchdog::start();
    let start = Instant::now();
    let snapshots = Snapshots::new();
    let wanted = std::env::var("UFFD_SWEEP").unwrap_or_default();
    let thorough = wanted == "all";
    let words: Vec<_> = wanted.split_whitespace().filter(|_| !thorough).collect();
    let mut sweep = Sweep::default();
    for scenario in SCENARIOS.iter().filter(|scenario| words.first().is_none_or(|name| *name == scenario.name)) {
        match words.get(1..).filter(|plan| !plan.is_empty()) {
            Some(plan) => sweep.run(scenario, &snapshots, Some(Plan::parse(plan))),
            None => sweep.sweep(scenario, &snapshots, thorough),
        }
    }
    sweep.report(start);
    if sweep.failed == 0 && sweep.runs > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
            None => self.scenarios += 1,
            Some(plan) if counters.injected > 0 => {
                self.injected += 1;
                self.outcomes.add(&run.outcomes.into_inner());
                if !self.calls.contains(&plan.injected().call) {
                    self.calls.push(plan.injected().call);
                }
            }
            Some(_) => {}
        }
        self.runs += 1;
    }

    fn report(&self, start: Instant) {
        let failures: usize = self.calls.iter().map(|call| plan::failures(*call).count()).sum();
        println!(
            "sweep: {} scenarios, {} kinds of calls with {failures} failures, {} runs, {} with an injected failure: {}; \
             {} went wrong; {:.1} s",
            self.scenarios / 2,
            self.calls.len(),
            self.runs,
            self.injected,
            self.outcomes,
            self.failed,
            start.elapsed().as_secs_f32()
        );
    }
}
