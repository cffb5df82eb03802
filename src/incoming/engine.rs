//! What an armed mis consists of, apart from its threads: the registered RAM, the temporary pages, the account of
//! pages. Shared by the fault threads, the loader threads and the caller's threads.

use std::ops::Range;
use std::sync::Arc;

use super::callbacks::Callbacks;
use super::config::{Event, LogLevel};
use super::discards::Discards;
use super::fault::PageHandler;
use super::gate::{Ending, Gate, NO_BLOCK, Pass, Verdict};
use super::load::Load;
use super::registration::Registration;
use super::shared::SharedFds;
use super::waits::Waits;
use crate::error::{Error, Result, ensure, error};
use crate::kernel::{BATCH, EventFd, Message};
use crate::memory::{BlockId, BlockTable, RamBlock, TempPages, bits, words};
use crate::stats::Stats;
use crate::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

/// What becomes of the memory of a RAM block that the caller takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is used on: nothing may be missing in it that a load is to bring.
    Kept,
    /// It goes away: what is missing in it is of no use to anybody.
    ForGood,
}

pub(crate) struct Engine {
    pub table: BlockTable,
    pub registration: Registration,
    pub temp_pages: TempPages,
    pub handler: Arc<dyn PageHandler>,
    pub callbacks: Callbacks,
    pub gate: Arc<Gate>,
    pub stats: Arc<Stats>,
    pub waits: Waits,
    /// One for each fault thread: wakes it from its sleep.
    pub wakers: Box<[EventFd]>,
    pub shared: Arc<SharedFds>,
    /// How many pages the handler was asked for and that have not been placed.
    pub requested: AtomicUsize,
    /// A snapshot is being loaded: all RAM is to be placed.
    pub load: Option<Arc<dyn Load>>,
    /// How many loader threads are at work.
    pub loaders: AtomicUsize,
    pub spin_us: u32,
    /// Discards are tracked.
    pub discards: Option<Discards>,
    /// How many CPUs there are to run on. Not for the fault threads to find out: that opens files.
    pub cpus: usize,
}

impl Engine {
    pub fn block(&self, index: usize) -> &RamBlock {
        &self.table.blocks()[index]
    }

    /// The handler is about to be asked for a page. False when the page has been received meanwhile.
    pub fn request(&self, index: usize, page: usize) -> bool {
        let block = self.block(index);
        // Counted before the bit is set: a page that is placed right after that takes itself from the count, and must not take
        // another one, which a clean-up waits for.
        self.requested.fetch_add(1, SeqCst);
        let mut newly = false;
        block.requested().set(page..page + 1, |_, _| newly = true);
        if newly {
            Stats::count(&self.stats.pages_requested, 1);
        } else {
            self.uncount_requests(1);
        }
        // Requested is set, then received is looked up; `receive` does it the other way round: one sees the other.
        !block.received().get(page)
    }

    /// Pages are in place: the received bits are set now, and no earlier; then other processes hear of it.
    pub fn receive(&self, index: usize, pages: Range<usize>) {
        let newly = self.block(index).receive(pages.clone(), |first, mask| self.settle_word(index, first, mask));
        if newly > 0 {
            self.check_complete();
        }
        self.notify_shared(index, pages);
    }

    /// Pages that are zeros count as received and stay missing: who waits for one faults again, and is given a page of zeros
    /// as where a received page was discarded. Clients are not told: one that waits asks, and is answered in the same way.
    pub fn leave_missing(&self, index: usize, pages: Range<usize>) -> Result<()> {
        let block = self.block(index);
        block.receive(pages.clone(), |first, mask| self.settle_word(index, first, mask));
        self.wake(index, block.offset_of(pages.start), block.offset_of(pages.end))
    }

    /// The caller vouches for pages, and they have been marked received: wakes who waits for them.
    pub fn vouched_for(&self, index: usize, pages: Range<usize>) -> Result<()> {
        let block = self.block(index);
        self.settle(index, pages.clone());
        self.wake(index, block.offset_of(pages.start), block.offset_of(pages.end))?;
        self.notify_shared(index, pages);
        self.check_complete();
        Ok(())
    }

    /// Wakes everybody who waits: they fault again.
    pub fn wake_everybody(&self) {
        for (index, block) in self.table.blocks().iter().enumerate().filter(|(_, block)| !block.is_removed()) {
            self.wake_or_log(index, 0, block.length());
        }
    }

    /// Wakes who waits in a range of addresses, all of it RAM: they fault again.
    pub fn wake_range(&self, range: &Range<usize>) {
        for (index, offsets) in self.table.touched(range).filter(|(index, _)| !self.block(*index).is_removed()) {
            self.wake_or_log(index, offsets.start, offsets.end);
        }
    }

    /// Wakes who waits for pages of a block: they fault again.
    pub fn wake_pages(&self, index: usize, pages: &Range<usize>) {
        let block = self.block(index);
        if !block.is_removed() {
            self.wake_or_log(index, block.offset_of(pages.start), block.offset_of(pages.end));
        }
    }

    fn wake(&self, index: usize, from: usize, to: usize) -> Result<()> {
        self.registration.wake(index, from, to).map_err(|errno| {
            let block = self.block(index);
            let what = format_args!("{block}: waking the threads that wait from offset {from:#x} to {to:#x}");
            Error::os(errno as i32, what).of_host()
        })
    }

    fn wake_or_log(&self, index: usize, from: usize, to: usize) {
        if let Err(error) = self.wake(index, from, to) {
            self.callbacks.log(LogLevel::Error, error.message());
        }
    }

    /// Reads the faults for a fault thread; how many.
    pub fn read_faults(&self, worker: usize, messages: &mut [Message; BATCH]) -> Result<usize> {
        match &self.discards {
            Some(discards) => Ok(discards.take_faults(self, worker, messages)),
            None => self.registration.uffds()[worker].read(messages, &mut Vec::new()),
        }
    }

    /// Notifies the clients of shared descriptors of pages that were discarded, and an event of a load that is complete by it:
    /// the thread that reads of discards calls nobody back. `worker` holds each block, also during a pause: its removal
    /// waits until no client is being told of it.
    pub fn notify_discards(&self, worker: usize) {
        let pending = self.discards.as_ref().map_or(Vec::new(), Discards::take_notifications);
        for (index, first, mask) in &pending {
            let _held = self.gate.hold(worker, *index);
            bits(*first, *mask).for_each(|page| self.notify_shared(*index, page..page + 1));
        }
        if !pending.is_empty() {
            self.check_complete();
        }
    }

    /// Tells other processes that map the same RAM that pages are in place.
    fn notify_shared(&self, index: usize, pages: Range<usize>) {
        if self.shared.is_empty() {
            return;
        }
        let block = self.block(index);
        if block.is_removed() {
            return;
        }
        for page in pages {
            // The page is in place, whatever becomes of a client.
            if let Err(error) = self.shared.notify(&self.callbacks, block.id(), block.offset_of(page) as u64) {
                self.callbacks.log(LogLevel::Warning, error.message());
            }
        }
    }

    /// Nobody waits any more for these pages.
    pub fn settle(&self, index: usize, pages: Range<usize>) {
        words(pages).for_each(|(first, mask)| self.settle_word(index, first, mask));
    }

    /// Who waits for these pages waits no longer, and was not served.
    pub(super) fn forget_waits(&self, index: usize, pages: Range<usize>) {
        let block = self.block(index);
        self.waits.forget(block.address_of(pages.start)..block.address_of(pages.end));
    }

    /// Nobody waits any more for the pages that are set in `mask`, counted from `first`.
    pub fn settle_word(&self, index: usize, first: usize, mask: u64) {
        let block = self.block(index);
        let settled = block.requested().take(first, mask);
        for page in bits(first, settled) {
            self.waits.finish(block.address_of(page));
        }
        self.uncount_requests(settled.count_ones() as usize);
    }

    fn uncount_requests(&self, count: usize) {
        if count > 0 && self.requested.fetch_sub(count, SeqCst) == count {
            self.gate.poke();
        }
    }

    /// Is every page that is to be loaded in place, or is there nothing left to be had?
    pub fn check_complete(&self) {
        if self.load.is_none() || !self.table.blocks().iter().all(|block| block.is_settled()) {
            return;
        }
        match self.poisoned_pages() {
            None if self.gate.loaded(Ok(())) => self.callbacks.event(&Event::Complete),
            Some(error) if self.gate.loaded(Err(error.clone())) => self.callbacks.event(&Event::Poisoned(error)),
            _ => {}
        }
    }

    /// Whether no snapshot load is under way: letting go of RAM then turns nothing of it into zeros.
    pub fn misses_nothing(&self) -> bool {
        self.load.is_none() || self.gate.is_loaded()
    }

    /// Writes down how far a load has come.
    pub fn keep_account(&self) {
        if self.load.is_some() {
            let bytes = |block: &Arc<RamBlock>| block.received_pages() * block.page_size();
            let loaded: usize = self.table.blocks().iter().map(bytes).sum();
            // Several threads may be here, and the slowest must not take anything back.
            self.stats.bytes_loaded.fetch_max(loaded as u64, Relaxed);
        }
    }

    /// A worker could not do its piece of work: reports it, and pauses unless the caller has resumed meanwhile.
    pub fn fail(&self, pass: Pass<'_>, error: Error) {
        let resumes = pass.give_back();
        Stats::count(&self.stats.source_errors, 1);
        self.callbacks.log(LogLevel::Error, error.message());
        self.callbacks.event(&Event::SourceError(error.clone()));
        if self.gate.fail(resumes, error.clone()) == Verdict::Paused {
            self.callbacks.event(&Event::Paused(Some(error)));
        }
    }

    /// A worker has failed outside of any piece of work: pauses, and waits until the caller resumes.
    pub fn stand_still(&self, worker: usize, error: Error) -> Result<(), Ending> {
        let pass = self.gate.enter(worker, NO_BLOCK)?;
        self.fail(pass, error);
        self.gate.enter(worker, NO_BLOCK).map(drop)
    }

    /// Pages that were asked for and have not been placed: block and offset.
    pub fn requested_pages(&self) -> Result<Vec<(BlockId, u64)>> {
        let mut found = Vec::new();
        for block in self.table.blocks().iter().filter(|block| !block.is_removed()) {
            let mut from = 0;
            while let Some(page) = block.requested().find(from..block.pages(), true) {
                from = page + 1;
                if !block.received().get(page) {
                    found.try_reserve(1).map_err(|_| error!(ENOMEM, "no memory for the list of requested pages"))?;
                    found.push((block.id(), block.offset_of(page) as u64));
                }
            }
        }
        Ok(found)
    }

    /// Where a block stands in the table.
    pub fn index_of(&self, block: &Arc<RamBlock>) -> Option<usize> {
        self.table.blocks().iter().position(|other| Arc::ptr_eq(other, block))
    }

    /// The caller takes a block back: no work in it begins any more.
    pub fn mark_removed(&self, block: &RamBlock, removal: Removal) -> Result<()> {
        ensure!(
            removal == Removal::ForGood || self.misses_nothing(),
            EBUSY,
            "{block}: a snapshot load is not complete: removing the RAM block would turn what is missing into zeros; if \
             its memory goes away for good, drop it (uffd_incoming_drop_ram_block)"
        );
        block.remove();
        Ok(())
    }

    /// Unregisters a removed block in which no work is under way any more; threads that wait in it go on.
    pub fn let_go(&self, index: usize) {
        if !self.registration.unregister(index) {
            // They fault again, and get the zeros from us.
            self.wake_or_log(index, 0, self.block(index).length());
        }
        let block = self.block(index);
        let all = 0..block.pages();
        self.forget_waits(index, all.clone());
        self.settle(index, all.clone());
        // A load has nothing to bring there any more.
        block.receive(all, |_, _| ());
        self.check_complete();
    }

    /// Wakes the threads that wait for faults from their sleep.
    pub fn wake_threads(&self) {
        self.wakers.iter().for_each(EventFd::signal);
    }
}
