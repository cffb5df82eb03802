//! The end of an armed life: threads clean up, abort, pause, remove and mark at once; all of them return, and nothing is
//! left.

use std::sync::{Arc, OnceLock, Weak};

use super::Incoming;
use super::armed::Armed;
use super::config::Config;
use super::incoming::Phase;
use crate::engine::models::{Gate, Ram, Told};
use crate::engine::{Callbacks, Ending, Engine, Hooks, LogLevel, Record, Seat};
use crate::kernel::page_size;
use crate::memory::BlockId;
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::sync::thread::JoinHandle;
use crate::sync::{check, thread};

/// A preempt thread that brings pages, or only waits to be told to quit.
struct Preempt {
    brings: bool,
    incoming: OnceLock<Weak<Incoming>>,
    quit: Arc<Gate>,
}

impl Preempt {
    fn new(brings: bool) -> Arc<Self> {
        Arc::new(Self { brings, incoming: OnceLock::new(), quit: Gate::new() })
    }
}

impl Hooks for Preempt {
    fn preempt_run(&self) {
        if let (true, Some(incoming)) = (self.brings, self.incoming.get().and_then(Weak::upgrade)) {
            for (id, offset) in incoming.requested().unwrap_or_default() {
                incoming.mark_received(id, offset, page_size() as u64).unwrap();
            }
        }
        // Until preempt_quit().
        self.quit.wait_complete(None).unwrap();
    }

    fn preempt_quit(&self) {
        self.quit.set_loaded(Ok(()));
    }

    fn log(&self, _level: LogLevel, _message: &str) {}
}

/// An armed incoming side with a worker that works on block 0 until the end.
fn armed(ram: &Ram, preempt: Option<bool>) -> Arc<Incoming> {
    armed_with(ram, preempt, false)
}

/// The same with a worker that asks for page 0, if it is to.
fn armed_with(ram: &Ram, preempt: Option<bool>, asks: bool) -> Arc<Incoming> {
    let preempt = preempt.map(Preempt::new);
    let hooks = preempt.clone().map_or_else(|| Arc::new(Told::default()) as Arc<dyn Hooks>, |preempt| preempt);
    let incoming = Incoming::new(Config { hooks: hooks.clone(), ..Config::default() }).unwrap();
    preempt.iter().for_each(|preempt| preempt.incoming.set(Arc::downgrade(&incoming)).unwrap());
    *incoming.table.write() = ram.table.clone();
    let record = Record::new(None).unwrap();
    *incoming.record.lock() = record.clone();
    let callbacks = Callbacks { hooks, owner: incoming.owner };
    let engine = Arc::new(ram.engine_with(callbacks, record, Arc::default(), false, None));
    if preempt.is_some() {
        engine.account().request(0, 0);
    }
    *incoming.engine.write() = Some(engine.clone());
    let mut armed = Armed::new(engine, None);
    let work = move |engine: &Engine, mut seat: Seat| {
        // Some schedulers would never let others go on.
        let _ = (0..3).try_for_each(|_| {
            let _pass = seat.enter(0)?;
            if asks {
                engine.account().request(0, 0);
            }
            Ok::<_, Ending>(())
        });
    };
    // With a preempt thread it is that one which matters.
    if preempt.is_none() {
        armed.start("worker".to_owned(), work).unwrap();
    } else {
        armed.start_preempt_thread().unwrap();
    }
    *incoming.phase.lock() = Phase::Armed(armed);
    incoming
}

fn spawn(incoming: &Arc<Incoming>, body: fn(&Incoming)) -> JoinHandle<()> {
    let incoming = incoming.clone();
    thread::spawn(move || body(&incoming))
}

fn join<const N: usize>(threads: [JoinHandle<()>; N]) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn assert_attached(incoming: &Incoming) {
    assert!(matches!(*incoming.phase.lock(), Phase::Attached));
    assert!(incoming.engine.read().is_none());
    assert!(incoming.table.read().blocks().iter().all(|block| block.received_pages() == 0));
    incoming.retire().unwrap();
}

#[test]
fn cleaning_up_ends_whatever_else_goes_on() {
    check(|| {
        let ram = Ram::new(1, 1);
        let incoming = armed(&ram, None);
        join([
            spawn(&incoming, |incoming| incoming.cleanup().unwrap()),
            spawn(&incoming, |incoming| incoming.abort().unwrap()),
            // No thread resumes.
            spawn(&incoming, |incoming| drop(incoming.pause())),
            spawn(&incoming, |incoming| drop(incoming.mark_received(BlockId(0), 0, page_size() as u64))),
        ]);
        let block = incoming.table.read().blocks()[0].clone();
        let marked = block.received_pages();
        assert_eq!(marked, block.received().count(), "a load would end too early, or never");
        // Marked after the clean-up, it stays so.
        if marked == 0 {
            assert_attached(&incoming);
        }
    });
}

#[test]
fn a_block_is_removed_while_all_is_cleaned_up() {
    check(|| {
        let ram = Ram::new(2, 1);
        let incoming = armed(&ram, None);
        let refused = Arc::new(AtomicUsize::new(0));
        let (count, of_remover) = (refused.clone(), incoming.clone());
        join([
            thread::spawn(move || {
                if let Err(error) = of_remover.remove_ram_block(BlockId(0)) {
                    assert_eq!(error.errno(), libc::EBUSY, "{error}");
                    count.store(1, SeqCst);
                }
            }),
            spawn(&incoming, |incoming| incoming.cleanup().unwrap()),
            spawn(&incoming, |incoming| drop(incoming.pause())),
        ]);
        assert_eq!(incoming.table.read().blocks().len(), 1 + refused.load(SeqCst));
        assert_attached(&incoming);
    });
}

#[test]
fn cleaning_up_waits_for_an_urgent_page_that_is_brought() {
    check(|| {
        let ram = Ram::new(1, 1);
        let incoming = armed(&ram, Some(true));
        let engine = incoming.engine.read().clone().unwrap();
        incoming.cleanup().unwrap();
        assert_eq!(engine.account().outstanding(), 0, "the page was not waited for");
        drop(engine);
        assert_attached(&incoming);
    });
}

#[test]
fn an_abort_ends_the_wait_for_an_urgent_page() {
    check(|| {
        let ram = Ram::new(1, 1);
        let incoming = armed(&ram, Some(false));
        join([
            spawn(&incoming, |incoming| incoming.cleanup().unwrap()),
            spawn(&incoming, |incoming| incoming.abort().unwrap()),
        ]);
        assert_attached(&incoming);
    });
}

#[test]
fn a_pause_ends_the_wait_for_an_urgent_page() {
    check(|| {
        let ram = Ram::new(1, 1);
        let incoming = armed(&ram, Some(false));
        join([
            // No thread brings the page: closing would turn it into zeros.
            spawn(&incoming, |incoming| assert_eq!(incoming.cleanup().unwrap_err().errno(), libc::EBUSY)),
            spawn(&incoming, |incoming| drop(incoming.pause())),
        ]);
        incoming.abort().unwrap();
        assert_attached(&incoming);
    });
}

#[test]
fn no_clean_up_closes_over_a_page_that_was_asked_for() {
    check(|| {
        let ram = Ram::new(1, 1);
        let incoming = armed_with(&ram, None, true);
        let engine = incoming.engine.read().clone().unwrap();
        let gate = engine.account().gate().clone();
        match incoming.cleanup() {
            // Before the worker asked, which it cannot do afterwards.
            Ok(()) => assert_eq!(engine.account().outstanding(), 0),
            Err(error) => {
                assert_eq!(error.errno(), libc::EBUSY);
                assert!(engine.account().outstanding() > 0);
                assert!(!gate.is_ending());
                incoming.abort().unwrap();
            }
        }
        drop(engine);
        assert_attached(&incoming);
    });
}
