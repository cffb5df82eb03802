//! A fault thread: reads the faults of its userfaultfd and has each served.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::fault::Fault;
use super::gate::Ending;
use crate::error::Result;
use crate::kernel::{BATCH, Message, wait_readable};
use crate::stats::Stats;

/// Serves until all is ending.
pub(super) fn run(engine: &Engine, worker: usize) {
    let mut messages = [Message::default(); BATCH];
    while !engine.gate.is_ending() {
        let served = match wait_for_faults(engine, worker, &mut messages) {
            Ok(count) => serve(engine, worker, &mut messages[..count]),
            // The userfaultfd itself failed: it must not be asked again and again.
            Err(error) => engine.stand_still(worker, error),
        };
        if let Err(Ending) = served {
            return;
        }
    }
}

/// Waits for faults, and reads as many as there are and have room; none when it was woken for something else.
fn wait_for_faults(engine: &Engine, worker: usize, messages: &mut [Message; BATCH]) -> Result<usize> {
    let (uffd, waker) = (&engine.registration.uffds()[worker], &engine.wakers[worker]);
    if engine.spin_us > 0 {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(engine.spin_us.into()) {
            let count = uffd.read(messages)?;
            if count > 0 || engine.gate.is_ending() {
                return Ok(count);
            }
            std::hint::spin_loop();
        }
    }
    let ready = wait_readable(uffd.as_fd(), waker.as_fd())?;
    if ready.second {
        waker.drain();
    }
    if ready.first { uffd.read(messages) } else { Ok(0) }
}

/// Serves a batch of faults, each page once.
fn serve(engine: &Engine, worker: usize, messages: &mut [Message]) -> Result<(), Ending> {
    if messages.is_empty() {
        return Ok(());
    }
    Stats::count(&engine.stats.faults, messages.len() as u64);
    let now = engine.waits.now();
    for message in messages.iter() {
        if let Some((index, page)) = locate(engine, message.address) {
            let block = engine.block(index);
            engine.waits.begin(block.host() + block.offset_of(page), vcpu_of(engine, message.thread_id), now);
        }
    }
    messages.sort_unstable_by_key(|message| message.address);
    let mut before = None;
    for message in messages.iter() {
        let place = locate(engine, message.address);
        if let (Some((index, page)), true) = (place, place != before) {
            serve_page(engine, &Fault { engine, worker, index, page, address: message.address })?;
        }
        before = place;
    }
    Ok(())
}

/// The block and page that an address lies in. None for a block that was removed: unregistering it wakes who waits.
fn locate(engine: &Engine, address: usize) -> Option<(usize, usize)> {
    let index = engine.table.by_address(address)?;
    let block = engine.block(index);
    Some((index, block.page_of(address - block.host())))
}

fn vcpu_of(engine: &Engine, thread_id: u32) -> Option<u32> {
    if !engine.waits.knows_vcpus() {
        return None;
    }
    engine.callbacks.infallible("the vcpu_index callback", None, |hooks| hooks.vcpu_index(thread_id))
}

/// Has one page served; after a failure again, once resumed.
fn serve_page(engine: &Engine, fault: &Fault<'_>) -> Result<(), Ending> {
    let block = engine.block(fault.index);
    loop {
        let pass = engine.gate.enter(fault.worker, fault.index)?;
        if block.is_removed() {
            return Ok(());
        }
        // Never twice: a page that was received does not go to the handler again.
        let ask = !block.received().get(fault.page) && engine.request(fault.index, fault.page);
        let served = if ask {
            let asked = engine.callbacks.owner.call("the page handler", || engine.handler.page(fault));
            asked.and_then(|result| result)
        } else {
            engine.fill_discarded(fault.index, fault.page)
        };
        match served {
            Ok(()) => return Ok(()),
            Err(error) => {
                let offset = block.offset_of(fault.page);
                engine.fail(
                    pass,
                    error.context(format_args!("{block}, offset {offset:#x}, address {:#x}", fault.address)),
                );
            }
        }
    }
}
