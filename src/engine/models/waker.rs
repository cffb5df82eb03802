//! The waker: whether a fault thread is about to sleep in read() or has done so, what it is woken for is not lost.

use std::sync::Arc;

use crate::engine::waker::Waker;
use crate::kernel::{Opening, Userfaultfd};
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::{check, thread};

#[test]
fn a_signal_ends_the_sleep_that_it_finds_or_keeps_the_thread_from_it() {
    check(|| {
        let uffd = Userfaultfd::open(Opening::UserModeOnly).unwrap();
        uffd.handshake(false).unwrap();
        let waker = Arc::new(Waker::new(Some(&uffd)).unwrap());
        let work = Arc::new(AtomicBool::new(false));
        let (of_caller, for_caller) = (waker.clone(), work.clone());
        let caller = thread::spawn(move || {
            for_caller.store(true, SeqCst);
            of_caller.signal();
        });
        let bell = waker.bell().unwrap();
        bell.need(true);
        // In place of the read(): it ends when the bell is rung.
        assert!(waker.drain() || bell.await_ring());
        assert!(work.load(SeqCst));
        caller.join().unwrap();
    });
}
