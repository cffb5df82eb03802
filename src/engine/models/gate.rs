//! The gate: no wake-up is lost, no worker is inside when all are said to be out, a resume that came in time is not forgotten.

use std::sync::Arc;

use crate::engine::gate::Gate;
use crate::error::{Error, error};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use crate::sync::{check, thread};

fn failure() -> Error {
    error!(EIO, "on purpose")
}

/// Runs these at once, and waits until all have ended.
fn all<const N: usize>(bodies: [Box<dyn FnOnce() + Send + 'static>; N]) {
    let threads = bodies.map(thread::spawn);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn nobody_is_inside_after_a_pause_until_the_resume() {
    check(|| {
        let gate = Gate::new();
        let inside = Arc::new(AtomicUsize::new(0));
        let worker = |block| {
            let (mut seat, inside) = (gate.add_worker(), inside.clone());
            Box::new(move || {
                for _ in 0..2 {
                    let pass = seat.enter(block).unwrap();
                    inside.fetch_add(1, SeqCst);
                    inside.fetch_sub(1, SeqCst);
                    drop(pass);
                }
            }) as Box<dyn FnOnce() + Send>
        };
        let (first, second) = (worker(0), worker(1));
        all([
            first,
            second,
            Box::new(move || {
                assert!(gate.pause());
                gate.wait_idle();
                for _ in 0..3 {
                    assert_eq!(inside.load(SeqCst), 0, "a worker is inside during a pause");
                }
                gate.resume();
            }),
        ]);
    });
}

#[test]
fn nobody_works_on_a_block_that_was_waited_for() {
    check(|| {
        let gate = Gate::new();
        let removed = Arc::new(AtomicBool::new(false));
        let gone = Arc::new(AtomicBool::new(false));
        let worker = || {
            let (mut seat, removed, gone) = (gate.add_worker(), removed.clone(), gone.clone());
            Box::new(move || {
                for _ in 0..2 {
                    let _pass = seat.enter(7).unwrap();
                    if !removed.load(SeqCst) {
                        assert!(!gone.load(SeqCst), "a worker uses a block that is gone");
                    }
                }
            }) as Box<dyn FnOnce() + Send>
        };
        let (first, second) = (worker(), worker());
        all([
            first,
            second,
            Box::new(move || {
                removed.store(true, SeqCst);
                gate.wait_idle_on(7);
                gone.store(true, SeqCst);
            }),
        ]);
    });
}

#[test]
fn a_resume_while_the_work_fails_is_not_lost() {
    check(|| {
        let gate = Gate::new();
        let source_is_back = Arc::new(AtomicBool::new(false));
        let (of_caller, is_back, mut seat) = (gate.clone(), source_is_back.clone(), gate.add_worker());
        all([
            Box::new(move || {
                loop {
                    let pass = seat.enter(0).unwrap();
                    if source_is_back.load(SeqCst) {
                        break;
                    }
                    gate.fail(pass.give_back(), failure());
                }
            }),
            // A deadlock, were it lost.
            Box::new(move || {
                is_back.store(true, SeqCst);
                of_caller.resume();
            }),
        ]);
    });
}

#[test]
fn of_two_failures_one_begins_the_pause() {
    check(|| {
        let gate = Gate::new();
        let began = Arc::new(AtomicUsize::new(0));
        let mut seat = gate.add_worker();
        let passes = [(); 2].map(|()| seat.enter(0).unwrap().give_back());
        let fails = |resumes: u64| {
            let (gate, began) = (gate.clone(), began.clone());
            Box::new(move || {
                if gate.fail(resumes, failure()) {
                    began.fetch_add(1, SeqCst);
                }
            }) as Box<dyn FnOnce() + Send>
        };
        all(passes.map(fails));
        assert_eq!(began.load(SeqCst), 1);
        assert_eq!(gate.wait_complete(None).unwrap_err(), failure());
        gate.resume();
        drop(seat.enter(0).unwrap());
    });
}

#[test]
fn the_end_frees_everybody() {
    check(|| {
        let gate = Gate::new();
        let body = |body: fn(&Gate)| {
            let gate = gate.clone();
            Box::new(move || body(&gate)) as Box<dyn FnOnce() + Send>
        };
        let work_until_the_end = || {
            let (gate, mut seat) = (gate.clone(), gate.add_worker());
            Box::new(move || {
                while let Ok(pass) = seat.enter(0) {
                    gate.fail(pass.give_back(), failure());
                }
            }) as Box<dyn FnOnce() + Send>
        };
        all([
            work_until_the_end(),
            work_until_the_end(),
            body(|gate| drop(gate.wait_complete(None))),
            body(|gate| {
                gate.pause();
                gate.wait_idle();
            }),
            body(Gate::end),
        ]);
        assert!(gate.is_ending() && !gate.is_paused());
    });
}

#[test]
fn who_waits_for_something_outside_the_lock_is_poked() {
    check(|| {
        let gate = Gate::new();
        let left = Arc::new(AtomicUsize::new(2));
        let take = || {
            let (gate, left) = (gate.clone(), left.clone());
            Box::new(move || {
                left.fetch_sub(1, SeqCst);
                gate.poke();
            }) as Box<dyn FnOnce() + Send>
        };
        let (first, second) = (take(), take());
        all([first, second, Box::new(move || gate.wait_unpaused_until(|| left.load(SeqCst) == 0))]);
    });
}

#[test]
fn who_waits_for_all_to_be_loaded_hears_of_it() {
    check(|| {
        let gate = Gate::new();
        let news = Arc::new(AtomicUsize::new(0));
        let tell = || {
            let (gate, news) = (gate.clone(), news.clone());
            Box::new(move || {
                news.fetch_add(gate.set_loaded(Ok(())).into(), SeqCst);
            }) as Box<dyn FnOnce() + Send>
        };
        let (first, second) = (tell(), tell());
        let of_waiter = gate.clone();
        all([first, second, Box::new(move || of_waiter.wait_complete(None).unwrap())]);
        assert_eq!(news.load(SeqCst), 1);
    });
}
