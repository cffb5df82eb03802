//! Discards: whenever a thread discards a page, it never holds what the source has for it afterwards, and a client that waits for
//! it is told.

use nix::sys::mman::{MmapAdvise, madvise};

use super::*;
use crate::engine::placing::Filling;
use crate::kernel::is_present;
use crate::sync::{check, thread};

/// A thread discards a page: the kernel says so, and goes on once that has been read.
fn discard(engine: &Engine, page: usize) {
    let block = engine.block(0);
    let range = [block.address_of(page)..block.address_of(page + 1)];
    engine.discards().unwrap().read_and_note(engine.account(), 0, || Ok(((), &range))).unwrap();
    let start = std::ptr::NonNull::new(std::ptr::with_exposed_provenance_mut(range[0].start)).unwrap();
    // SAFETY: the model's own RAM, to which nothing refers.
    unsafe { madvise(start, page_size(), MmapAdvise::MADV_DONTNEED) }.unwrap();
}

fn byte_of(engine: &Engine, page: usize) -> Option<u8> {
    let address = engine.block(0).address_of(page);
    // SAFETY: the page is present, so that reading it does not wait.
    is_present(address).then(|| unsafe { std::ptr::with_exposed_provenance::<u8>(address).read_volatile() })
}

#[test]
fn what_is_discarded_while_it_is_placed_is_zeros() {
    check(|| {
        let ram = Ram::new(1, 2);
        let engine = Arc::new(ram.tracking_engine());
        let placer = |pages: std::ops::Range<usize>| {
            let engine = engine.clone();
            thread::spawn(move || {
                let source = vec![0xa5_u8; pages.len() * page_size()];
                engine.place(0, pages, Filling::Bytes(source.as_ptr())).unwrap();
            })
        };
        let discarder = {
            let engine = engine.clone();
            thread::spawn(move || discard(&engine, 1))
        };
        let threads = [placer(0..2), placer(1..2), discarder];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(byte_of(&engine, 0), Some(0xa5));
        assert!(byte_of(&engine, 1).is_none_or(|byte| byte == 0), "what was discarded holds the source's bytes");
        assert!(engine.block(0).is_fully_received());
    });
}
