//! The account of pages: which were requested and received, which threads wait for them, how far a load has come; and which clients and callbacks hear of it.

use std::ops::Range;
use std::sync::Arc;

use super::callbacks::Callbacks;
use super::gate::{Ending, Gate, NO_BLOCK, Pass, Seat};
use super::hooks::{Event, LogLevel};
use super::shared::SharedFds;
use super::waits::{PageWait, Waits};
use crate::error::{Error, Result, ensure, error};
use crate::memory::{BlockId, BlockTable, RamBlock, bits, words};
use crate::stats::{Statistics, Stats};
use crate::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

/// What becomes of the memory of a RAM block that the caller takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is used on: nothing may be missing in it that a load is to bring.
    Kept,
    /// It goes away: what is missing in it is of no use any more.
    ForGood,
}

/// What outlives a set-up of its account: [`Incoming`](crate::Incoming) tells of it until the next one.
#[derive(Clone)]
pub(crate) struct Record {
    pub stats: Arc<Stats>,
    pub gate: Arc<Gate>,
    pub waits: Arc<Waits>,
}

/// The account of one set-up.
pub(crate) struct Account {
    table: BlockTable,
    callbacks: Callbacks,
    record: Record,
    shared: Arc<SharedFds>,
    /// How many pages the handler was asked for that have not been placed.
    outstanding: AtomicUsize,
    /// A snapshot is being loaded: all RAM is to be placed.
    is_load: bool,
    /// Nothing may be missing, and still there is something that a load is to do before it is complete.
    completion_held: AtomicBool,
}

impl Record {
    /// Of a set-up with blocktime for so many vCPUs, if any.
    pub fn new(vcpus: Option<usize>) -> Result<Self> {
        let stats = Arc::new(Stats::default());
        Ok(Self { waits: Arc::new(Waits::new(stats.clone(), vcpus)?), stats, gate: Gate::new() })
    }
}

impl Account {
    pub fn new(table: BlockTable, callbacks: Callbacks, record: Record, shared: Arc<SharedFds>, is_load: bool) -> Self {
        if is_load {
            let total: usize = table.blocks().iter().map(|block| block.length()).sum();
            Stats::count(&record.stats.bytes_total, total as u64);
        }
        let account = Self {
            table,
            callbacks,
            record,
            shared,
            outstanding: AtomicUsize::new(0),
            is_load,
            completion_held: AtomicBool::new(false),
        };
        account.update_progress();
        account
    }

    pub fn table(&self) -> &BlockTable {
        &self.table
    }

    pub fn block(&self, index: usize) -> &RamBlock {
        self.table.block(index)
    }

    pub fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    pub fn gate(&self) -> &Arc<Gate> {
        &self.record.gate
    }

    pub fn stats(&self) -> &Stats {
        &self.record.stats
    }

    pub fn waits(&self) -> &Waits {
        &self.record.waits
    }

    pub fn shared(&self) -> &SharedFds {
        &self.shared
    }

    pub fn is_load(&self) -> bool {
        self.is_load
    }

    pub fn log(&self, level: LogLevel, message: &str) {
        self.callbacks.log(level, message);
    }

    /// Reports a failure that changes nothing for the caller.
    pub fn log_failure(&self, result: Result<()>) {
        if let Err(error) = result {
            self.log(LogLevel::Warning, error.message());
        }
    }

    /// The handler is about to be asked for a page. False when the page has been received meanwhile.
    pub fn request(&self, index: usize, page: usize) -> bool {
        let block = self.block(index);
        // Counted before the bit is set: a page that is placed right after that takes itself from the count, and must not take
        // another one, which a clean-up waits for.
        self.outstanding.fetch_add(1, SeqCst);
        let mut newly = false;
        block.requested().set(page..page + 1, |_, _| newly = true);
        if newly {
            Stats::count(&self.stats().pages_requested, 1);
        } else {
            self.uncount_requests(1);
        }
        // Requested is set, then received is looked up; `receive` does it the other way round: one sees the other.
        !block.received().get(page)
    }

    /// Pages are in place: the received bits are set now, and no earlier; then other processes hear of it.
    pub fn receive(&self, index: usize, pages: Range<usize>) {
        let newly = self.mark_received(index, pages.clone(), |_, _| ());
        if newly > 0 {
            self.check_complete();
        }
        if let Some(slow) = self.waits().take_slow() {
            self.log_slow(&slow);
        }
        self.notify_shared(index, pages);
    }

    /// The storage, or whoever is asked for pages, takes very long: a user may want to know before asking.
    fn log_slow(&self, slow: &PageWait) {
        let Some((index, page)) = self.table.locate(slow.page) else { return };
        let (block, seconds) = (self.block(index), slow.ns as f64 / 1e9);
        let offset = block.offset_of(page);
        let message =
            format!("thread {} has waited {seconds:.1} s for the page of {block} at offset {offset:#x}", slow.thread);
        self.log(LogLevel::Warning, &message);
    }

    /// Marks pages received, and ends the waits for them; `each` is called with those that were not, in words (first page,
    /// mask). No client and no callback hears of it. How many there were.
    pub fn mark_received(&self, index: usize, pages: Range<usize>, mut each: impl FnMut(usize, u64)) -> usize {
        self.block(index).receive(pages, |first, mask| {
            self.settle_word(index, first, mask);
            each(first, mask);
        })
    }

    /// Tells other processes that map the same RAM that pages are in place.
    pub fn notify_shared(&self, index: usize, pages: Range<usize>) {
        let block = self.block(index);
        if self.shared.is_empty() || block.is_removed() {
            return;
        }
        for page in pages {
            // The page is in place, whatever becomes of a client.
            self.log_failure(self.shared.notify(&self.callbacks, block.id(), block.offset_of(page) as u64));
        }
    }

    /// No thread waits any more for these pages.
    pub fn settle(&self, index: usize, pages: Range<usize>) {
        words(pages).for_each(|(first, mask)| self.settle_word(index, first, mask));
    }

    /// No thread waits any more for the pages that are set in `mask`, counted from `first`.
    fn settle_word(&self, index: usize, first: usize, mask: u64) {
        let block = self.block(index);
        let settled = block.requested().take(first, mask);
        for page in bits(first, settled) {
            self.waits().finish(block.address_of(page));
        }
        self.uncount_requests(settled.count_ones() as usize);
    }

    /// The threads that wait for these pages wait no longer, and were not served.
    pub fn forget_waits(&self, index: usize, pages: Range<usize>) {
        let block = self.block(index);
        self.waits().forget(block.address_of(pages.start)..block.address_of(pages.end));
    }

    fn uncount_requests(&self, count: usize) {
        if count > 0 && self.outstanding.fetch_sub(count, SeqCst) == count {
            self.gate().poke();
        }
    }

    /// How many pages the handler was asked for that have not been placed.
    pub fn outstanding(&self) -> usize {
        self.outstanding.load(SeqCst)
    }

    /// The pages that were asked for and have not been placed: block and offset.
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

    /// The load is not complete before that is released, whatever is missing.
    pub fn hold_completion(&self) {
        self.completion_held.store(true, SeqCst);
    }

    pub fn release_completion(&self) {
        self.completion_held.store(false, SeqCst);
        self.check_complete();
    }

    /// A load is complete once every page is in place, or over when the missing ones are poisoned: says so, once.
    pub fn check_complete(&self) {
        if !self.is_load
            || self.completion_held.load(SeqCst)
            || !self.table.blocks().iter().all(|block| block.is_settled())
        {
            return;
        }
        match self.poisoned_pages() {
            None if self.gate().set_loaded(Ok(())) => {
                self.log_complete();
                self.callbacks.event(&Event::Complete);
            }
            Some(error) if self.gate().set_loaded(Err(error.clone())) => self.callbacks.event(&Event::Poisoned(error)),
            _ => {}
        }
    }

    fn log_complete(&self) {
        let Statistics { faults, pages_placed, zero_pages_placed, bytes_moved, bytes_of_zeros, .. } =
            self.stats().read();
        let seconds = self.waits().now() as f64 / 1e9;
        let message = format!(
            "the load is complete after {seconds:.3} s and {faults} faults: {pages_placed} pages placed with data ({bytes_moved} bytes \
             moved), {zero_pages_placed} with zeros ({bytes_of_zeros} bytes found among the data)"
        );
        self.log(LogLevel::Info, &message);
    }

    /// Why a load is not complete though nothing is left to be read.
    fn poisoned_pages(&self) -> Option<Error> {
        let (mut count, mut first) = (0, None);
        for block in self.table.blocks().iter().filter(|block| block.poisoned().any()) {
            let pages = block.poisoned().pages();
            count += pages.count();
            first = first.or_else(|| pages.first().map(|page| (block, block.offset_of(page))));
        }
        let (block, offset) = first?;
        Some(error!(
            EIO,
            "{count} pages of RAM could not be read and are poisoned, the first of {block} at offset {offset:#x}: a thread that \
             touches one gets SIGBUS, until it is placed"
        ))
    }

    /// Whether no load is incomplete: unregistering RAM then turns nothing of it into zeros.
    pub fn load_finished(&self) -> bool {
        !self.is_load || self.gate().is_loaded()
    }

    /// Writes down how far a load has come.
    pub fn update_progress(&self) {
        if self.is_load {
            let bytes = |block: &Arc<RamBlock>| block.received_pages() * block.page_size();
            let loaded: usize = self.table.blocks().iter().map(bytes).sum();
            // Several threads may be here, and the slowest must not take anything back.
            self.stats().bytes_loaded.fetch_max(loaded as u64, Relaxed);
        }
    }

    /// A worker could not do its piece of work: reports it, and pauses unless the caller has resumed meanwhile.
    pub fn fail(&self, pass: Pass<'_>, error: Error) {
        let resumes = pass.give_back();
        Stats::count(&self.stats().source_errors, 1);
        self.log(LogLevel::Error, error.message());
        self.callbacks.event(&Event::SourceError(error.clone()));
        if self.gate().fail(resumes, error.clone()) {
            self.callbacks.event(&Event::Paused(Some(error)));
        }
    }

    /// A worker has failed outside of any piece of work: pauses, and waits until the caller resumes.
    pub fn pause_and_wait(&self, seat: &mut Seat, error: Error) -> Result<(), Ending> {
        let pass = seat.enter(NO_BLOCK)?;
        self.fail(pass, error);
        seat.enter(NO_BLOCK).map(drop)
    }

    /// The caller takes a block back: no work in it begins any more.
    pub fn mark_removed(&self, block: &RamBlock, removal: Removal) -> Result<()> {
        ensure!(
            removal == Removal::ForGood || self.load_finished(),
            EBUSY,
            "{block}: a snapshot load is not complete: removing the RAM block would turn what is missing into zeros; if \
             its memory goes away for good, drop it (uffd_incoming_drop_ram_block)"
        );
        block.remove();
        Ok(())
    }
}
