//! Pages: requested and received. Whatever comes first, nothing stays requested that is received, each page is counted once,
//! everybody's wait ends, and the last page completes a load.

use super::*;
use crate::incoming::fault_thread::serve_page;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::{check, thread};

/// Sets out to have pages placed, by the other threads of a model.
struct Later;

impl PageHandler for Later {
    fn page(&self, _fault: &Fault<'_>) -> Result<()> {
        Ok(())
    }
}

/// Has the page placed at once.
struct Now;

impl PageHandler for Now {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        fault.engine().receive(fault.index(), fault.page()..fault.page() + 1);
        Ok(())
    }
}

/// A thread faults on a page, and this worker serves it.
fn serve(engine: &Engine, worker: usize, index: usize, page: usize) {
    let address = engine.block(index).address_of(page);
    engine.waits.begin(address, None, 0);
    let fault = Fault { engine, worker, index, page, address, crowded: false };
    serve_page(&fault).unwrap();
}

/// Nobody waits any more, and the account is right.
fn assert_settled(engine: &Engine, faults: u64) {
    for block in engine.table.blocks() {
        assert_eq!(block.requested().find(0..block.pages(), true), None, "a received page stays requested");
        assert!(block.is_fully_received() && block.received().find(0..block.pages(), false).is_none());
    }
    assert_eq!(engine.requested.load(SeqCst), 0);
    assert_eq!(waits_that_ended(engine), faults);
}

/// How many waits have ended with a page.
fn waits_that_ended(engine: &Engine) -> u64 {
    engine.stats.read().fault_latency_buckets.iter().sum()
}

#[test]
fn a_page_that_comes_while_it_is_asked_for_does_not_stay_requested() {
    check(|| {
        let ram = Ram::new(1, 2);
        let engine = Arc::new(ram.engine(2, Arc::new(Later), Arc::default(), false));
        let faulter = |worker| {
            let engine = engine.clone();
            thread::spawn(move || (0..2).for_each(|page| serve(&engine, worker, 0, page)))
        };
        let faulters = [faulter(0), faulter(1)];
        let placer = {
            let engine = engine.clone();
            thread::spawn(move || engine.receive(0, 0..2))
        };
        placer.join().unwrap();
        faulters.into_iter().for_each(|faulter| faulter.join().unwrap());
        assert_settled(&engine, 4);
    });
}

#[test]
fn each_page_is_counted_once_whoever_places_it() {
    check(|| {
        let ram = Ram::new(1, 3);
        let engine = Arc::new(ram.engine(2, Arc::new(Now), Arc::default(), false));
        let threads = [
            Box::new(|engine: &Engine| serve(engine, 0, 0, 1)) as Box<dyn FnOnce(&Engine) + Send>,
            Box::new(|engine| serve(engine, 1, 0, 1)),
            Box::new(|engine| engine.receive(0, 0..2)),
            Box::new(|engine| engine.receive(0, 1..3)),
        ];
        let threads = threads.map(|body| {
            let engine = engine.clone();
            thread::spawn(move || body(&engine))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_settled(&engine, 2);
    });
}

#[test]
fn the_clean_up_sees_the_last_urgent_page_arrive() {
    check(|| {
        let ram = Ram::new(1, 2);
        let engine = Arc::new(ram.engine(1, Arc::new(Later), Arc::default(), false));
        engine.request(0, 0);
        let run = |body: fn(&Engine)| {
            let engine = engine.clone();
            thread::spawn(move || body(&engine))
        };
        // Page 1 is asked for and placed at the same time: it must not end the wait for page 0.
        let threads = [
            run(|engine| {
                if !engine.request(0, 1) {
                    engine.settle(0, 1..2);
                }
            }),
            run(|engine| engine.receive(0, 1..2)),
            run(|engine| engine.receive(0, 0..1)),
        ];
        engine.gate.wait_unpaused_until(|| engine.requested.load(SeqCst) == 0);
        assert!(engine.block(0).received().get(0), "a page that was asked for is not waited for");
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn the_last_page_of_all_blocks_completes_a_load_once() {
    check(|| {
        let (ram, told) = (Ram::new(2, 2), Arc::new(Told::default()));
        let engine = Arc::new(ram.engine(1, Arc::new(Now), told.clone(), true));
        let placer = |index: usize, pages: std::ops::Range<usize>| {
            let engine = engine.clone();
            thread::spawn(move || engine.receive(index, pages))
        };
        let placers = [placer(0, 0..2), placer(1, 1..2), placer(1, 0..1)];
        engine.gate.wait_complete(None).unwrap();
        placers.into_iter().for_each(|placer| placer.join().unwrap());
        assert_eq!(told.completions.load(Relaxed), 1);
        assert_settled(&engine, 0);
    });
}

/// A page is poisoned, and so nothing is left to be had; or it comes after all, and then the load is complete.
#[test]
fn poisoned_pages_end_a_load_and_healed_ones_complete_it() {
    check(|| {
        let (ram, told) = (Ram::new(1, 2), Arc::new(Told::default()));
        let engine = Arc::new(ram.engine(1, Arc::new(Now), told.clone(), true));
        let poisoner = {
            let engine = engine.clone();
            thread::spawn(move || {
                let block = engine.block(0);
                let mut poisoned = block.poisoned().to_add(block.pages()).unwrap();
                // Whoever heals it marks it received after the kernel has let it, and so after this if not before.
                if !block.received().get(0) {
                    poisoned.add(0);
                }
                drop(poisoned);
                engine.check_complete();
            })
        };
        let healer = {
            let engine = engine.clone();
            thread::spawn(move || engine.receive(0, 0..1))
        };
        let placer = {
            let engine = engine.clone();
            thread::spawn(move || engine.receive(0, 1..2))
        };
        [poisoner, healer, placer].into_iter().for_each(|thread| thread.join().unwrap());
        assert!(engine.gate.is_complete(), "all is in place, and nobody said so");
        assert_eq!(told.completions.load(Relaxed), 1);
        assert_eq!(engine.block(0).poisoned().pages().count(), 0);
    });
}

#[test]
fn a_page_whose_handler_failed_is_asked_for_again_after_the_resume() {
    /// Fails until its source is back.
    struct Fails(Arc<AtomicBool>);
    impl PageHandler for Fails {
        fn page(&self, fault: &Fault<'_>) -> Result<()> {
            crate::error::ensure!(self.0.load(SeqCst), EIO, "on purpose");
            Now.page(fault)
        }
    }
    check(|| {
        let (ram, is_back) = (Ram::new(1, 1), Arc::new(AtomicBool::new(false)));
        let engine = Arc::new(ram.engine(2, Arc::new(Fails(is_back.clone())), Arc::default(), false));
        let faulter = |worker| {
            let engine = engine.clone();
            thread::spawn(move || serve(&engine, worker, 0, 0))
        };
        let faulters = [faulter(0), faulter(1)];
        is_back.store(true, SeqCst);
        engine.gate.resume();
        faulters.into_iter().for_each(|faulter| faulter.join().unwrap());
        assert_settled(&engine, 2);
    });
}

#[test]
fn no_handler_sees_a_block_that_was_removed() {
    /// Notes whether the block is gone.
    struct Watches(Arc<AtomicBool>);
    impl PageHandler for Watches {
        fn page(&self, _fault: &Fault<'_>) -> Result<()> {
            assert!(!self.0.load(SeqCst), "a handler sees a block that is gone");
            Ok(())
        }
    }
    check(|| {
        let (ram, gone) = (Ram::new(2, 2), Arc::new(AtomicBool::new(false)));
        let engine = Arc::new(ram.engine(2, Arc::new(Watches(gone.clone())), Arc::default(), false));
        let faulter = |worker| {
            let engine = engine.clone();
            thread::spawn(move || (0..2).for_each(|page| serve(&engine, worker, 1, page)))
        };
        let faulters = [faulter(0), faulter(1)];
        engine.mark_removed(engine.block(1), Removal::Kept).unwrap();
        engine.gate.wait_idle_on(1);
        gone.store(true, SeqCst);
        engine.let_go(1);
        faulters.into_iter().for_each(|faulter| faulter.join().unwrap());
        assert_eq!(engine.requested.load(SeqCst), 0, "nobody waits in a block that is gone");
        let ended = waits_that_ended(&engine);
        (0..2).for_each(|page| engine.waits.finish(engine.block(1).address_of(page)));
        assert_eq!(waits_that_ended(&engine), ended, "somebody is still waiting");
    });
}

#[test]
fn who_waits_in_a_block_that_is_removed_was_not_served() {
    check(|| {
        let ram = Ram::new(1, 1);
        let engine = Arc::new(ram.engine(2, Arc::new(Later), Arc::default(), false));
        let faulter = |worker| {
            let engine = engine.clone();
            thread::spawn(move || serve(&engine, worker, 0, 0))
        };
        [faulter(0), faulter(1)].into_iter().for_each(|faulter| faulter.join().unwrap());
        engine.mark_removed(engine.block(0), Removal::Kept).unwrap();
        engine.let_go(0);
        assert_eq!((engine.requested.load(SeqCst), waits_that_ended(&engine)), (0, 0));
    });
}
