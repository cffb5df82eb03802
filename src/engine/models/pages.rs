//! Pages: requested and received. Whatever comes first, nothing stays requested that is received, each page is counted once,
//! everybody's wait ends, and the last page completes a load.

use super::*;
use crate::engine::fault::serve_page;
use crate::engine::waits::Waiter;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::{check, thread};

/// A thread faults on a page, and a worker serves it.
fn serve(engine: &Engine, index: usize, page: usize, with: impl FnMut(&Engine, &PageFault) -> Result<()> + Send) {
    let address = engine.block(index).address_of(page);
    engine.account().waits().begin(0, std::iter::once((address, Waiter { thread: 0, vcpu: None })));
    let fault = PageFault { index, page, address, concurrent: false };
    serve_page(engine, &mut engine.account().gate().add_worker(), &mut Serves(with), &fault, Wait::AsLongAsItTakes)
        .unwrap();
}

/// No thread waits any more, and the account is right.
fn assert_settled(engine: &Engine, faults: u64) {
    for block in engine.account().table().blocks() {
        assert_eq!(block.requested().find(0..block.pages(), true), None, "a received page stays requested");
        assert!(block.is_fully_received() && block.received().find(0..block.pages(), false).is_none());
    }
    assert_eq!(engine.account().outstanding(), 0);
    assert_eq!(waits_that_ended(engine), faults);
}

/// How many waits have ended with a page.
fn waits_that_ended(engine: &Engine) -> u64 {
    engine.account().stats().read().fault_latency_buckets.iter().sum()
}

#[test]
fn a_page_that_comes_while_it_is_asked_for_does_not_stay_requested() {
    check(|| {
        let ram = Ram::new(1, 2);
        let engine = Arc::new(ram.engine(Arc::default(), false));
        let faulter = || {
            let engine = engine.clone();
            thread::spawn(move || (0..2).for_each(|page| serve(&engine, 0, page, later)))
        };
        let faulters = [faulter(), faulter()];
        let placer = {
            let engine = engine.clone();
            thread::spawn(move || engine.account().receive(0, 0..2))
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
        let engine = Arc::new(ram.engine(Arc::default(), false));
        let threads = [
            Box::new(|engine: &Engine| serve(engine, 0, 1, now)) as Box<dyn FnOnce(&Engine) + Send>,
            Box::new(|engine| serve(engine, 0, 1, now)),
            Box::new(|engine| engine.account().receive(0, 0..2)),
            Box::new(|engine| engine.account().receive(0, 1..3)),
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
        let engine = Arc::new(ram.engine(Arc::default(), false));
        engine.account().request(0, 0);
        let run = |body: fn(&Engine)| {
            let engine = engine.clone();
            thread::spawn(move || body(&engine))
        };
        // Page 1 is asked for and placed at the same time: it must not end the wait for page 0.
        let threads = [
            run(|engine| {
                if !engine.account().request(0, 1) {
                    engine.account().settle(0, 1..2);
                }
            }),
            run(|engine| engine.account().receive(0, 1..2)),
            run(|engine| engine.account().receive(0, 0..1)),
        ];
        engine.account().gate().wait_unpaused_until(|| engine.account().outstanding() == 0);
        assert!(engine.block(0).received().get(0), "a page that was asked for is not waited for");
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn the_last_page_of_all_blocks_completes_a_load_once() {
    check(|| {
        let (ram, told) = (Ram::new(2, 2), Arc::new(Told::default()));
        let engine = Arc::new(ram.engine(told.clone(), true));
        let placer = |index: usize, pages: std::ops::Range<usize>| {
            let engine = engine.clone();
            thread::spawn(move || engine.account().receive(index, pages))
        };
        let placers = [placer(0, 0..2), placer(1, 1..2), placer(1, 0..1)];
        engine.account().gate().wait_complete(None).unwrap();
        placers.into_iter().for_each(|placer| placer.join().unwrap());
        assert_eq!(told.completions.load(Relaxed), 1);
        assert_settled(&engine, 0);
    });
}

/// A page is poisoned, and so nothing is left to load; or it comes after all, and then the load is complete.
#[test]
fn poisoned_pages_end_a_load_and_healed_ones_complete_it() {
    check(|| {
        let (ram, told) = (Ram::new(1, 2), Arc::new(Told::default()));
        let engine = Arc::new(ram.engine(told.clone(), true));
        let poisoner = {
            let engine = engine.clone();
            thread::spawn(move || {
                let block = engine.block(0);
                let mut poisoned = block.poisoned().to_add(block.pages()).unwrap();
                // The thread that heals it marks it received after its ioctl, and so after this if not before.
                if !block.received().get(0) {
                    poisoned.add(0);
                }
                drop(poisoned);
                engine.account().check_complete();
            })
        };
        let healer = {
            let engine = engine.clone();
            thread::spawn(move || engine.account().receive(0, 0..1))
        };
        let placer = {
            let engine = engine.clone();
            thread::spawn(move || engine.account().receive(0, 1..2))
        };
        [poisoner, healer, placer].into_iter().for_each(|thread| thread.join().unwrap());
        assert!(engine.account().gate().is_complete(), "all is in place, and no event says so");
        assert_eq!(told.completions.load(Relaxed), 1);
        assert_eq!(engine.block(0).poisoned().pages().count(), 0);
    });
}

#[test]
fn a_page_whose_handler_failed_is_asked_for_again_after_the_resume() {
    check(|| {
        let (ram, is_back) = (Ram::new(1, 1), Arc::new(AtomicBool::new(false)));
        let engine = Arc::new(ram.engine(Arc::default(), false));
        let faulter = || {
            let (engine, is_back) = (engine.clone(), is_back.clone());
            thread::spawn(move || {
                serve(&engine, 0, 0, |engine, fault| {
                    crate::error::ensure!(is_back.load(SeqCst), EIO, "on purpose");
                    now(engine, fault)
                });
            })
        };
        let faulters = [faulter(), faulter()];
        is_back.store(true, SeqCst);
        engine.account().gate().resume();
        faulters.into_iter().for_each(|faulter| faulter.join().unwrap());
        assert_settled(&engine, 2);
    });
}

#[test]
fn no_handler_sees_a_block_that_was_removed() {
    check(|| {
        let (ram, gone) = (Ram::new(2, 2), Arc::new(AtomicBool::new(false)));
        let engine = Arc::new(ram.engine(Arc::default(), false));
        let faulter = || {
            let (engine, gone) = (engine.clone(), gone.clone());
            thread::spawn(move || {
                for page in 0..2 {
                    serve(&engine, 1, page, |_, _| {
                        assert!(!gone.load(SeqCst), "a handler sees a block that is gone");
                        Ok(())
                    });
                }
            })
        };
        let faulters = [faulter(), faulter()];
        engine.account().mark_removed(engine.block(1), Removal::Kept).unwrap();
        engine.account().gate().wait_idle_on(1);
        gone.store(true, SeqCst);
        engine.unregister_removed(1);
        faulters.into_iter().for_each(|faulter| faulter.join().unwrap());
        assert_eq!(engine.account().outstanding(), 0, "no thread waits in a block that is gone");
        let ended = waits_that_ended(&engine);
        (0..2).for_each(|page| engine.account().waits().finish(engine.block(1).address_of(page)));
        assert_eq!(waits_that_ended(&engine), ended, "a thread is still waiting");
    });
}

#[test]
fn who_waits_in_a_block_that_is_removed_was_not_served() {
    check(|| {
        let ram = Ram::new(1, 1);
        let engine = Arc::new(ram.engine(Arc::default(), false));
        let faulter = || {
            let engine = engine.clone();
            thread::spawn(move || serve(&engine, 0, 0, later))
        };
        [faulter(), faulter()].into_iter().for_each(|faulter| faulter.join().unwrap());
        engine.account().mark_removed(engine.block(0), Removal::Kept).unwrap();
        engine.unregister_removed(0);
        assert_eq!((engine.account().outstanding(), waits_that_ended(&engine)), (0, 0));
    });
}
