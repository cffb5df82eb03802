//! What a caller does with an armed mis: places pages, pauses, waits, asks how far it is.

use std::time::Duration;

use super::incoming::Incoming;
use crate::engine::{BlocktimeReport, EVERYWHERE, Event, Filling};
use crate::error::{Result, ensure, error};
use crate::memory::BlockId;
use crate::stats::{BlockStatistics, Statistics};

impl Incoming {
    /// Places one page at a host address with the bytes at `from`, of which a page's worth is read by the kernel.
    /// A page that is present stays.
    pub fn place_page(&self, id: BlockId, host: usize, from: *const u8) -> Result<()> {
        self.place(id, host, None, Filling::Bytes(from))
    }

    /// Places one page of zeros.
    pub fn place_zero_page(&self, id: BlockId, host: usize) -> Result<()> {
        self.place(id, host, None, Filling::Zeros)
    }

    /// Places `length` bytes, whole pages, with as few system calls as can be.
    pub fn place_range(&self, id: BlockId, host: usize, from: *const u8, length: usize) -> Result<()> {
        self.place(id, host, Some(length), Filling::Bytes(from))
    }

    fn place(&self, id: BlockId, host: usize, length: Option<usize>, filling: Filling) -> Result<()> {
        if let Filling::Bytes(from) = filling {
            ensure!(!from.is_null(), EINVAL, "the bytes to place are at NULL");
        }
        self.with_engine(|engine| {
            let index = engine.account().table().by_id(id)?;
            let block = engine.block(index);
            let offset = host.checked_sub(block.host());
            let offset = offset.ok_or_else(|| error!(EINVAL, "{block}: address {host:#x} lies before it"))?;
            let pages = block.whole_pages(offset as u64, length.unwrap_or(block.page_size()) as u64)?;
            engine.place(index, pages, filling)
        })
    }

    /// The temporary page of a channel; it lives until cleanup.
    pub fn temp_page(&self, channel: u32) -> Result<*mut u8> {
        self.with_engine(|engine| {
            let page = engine.temp_pages().channel(channel);
            page.ok_or_else(|| error!(EINVAL, "there is no channel {channel}"))
        })
    }

    /// Whether the page that holds the byte at an offset has been placed or marked received.
    pub fn page_received(&self, id: BlockId, offset: u64) -> Result<bool> {
        let block = self.block(id)?;
        Ok(block.received().get(block.page_at(offset)?))
    }

    /// Marks whole pages received that are in place by other means; threads that wait for one of them go on.
    pub fn mark_received(&self, id: BlockId, offset: u64, length: u64) -> Result<()> {
        let block = self.block(id)?;
        let pages = block.whole_pages(offset, length)?;
        block.receive(pages.clone(), |_, _| ());
        let engine = self.read_engine();
        let armed = engine.as_ref().and_then(|engine| Some((engine, engine.account().table().index_of(&block)?)));
        armed.map_or(Ok(()), |(engine, index)| engine.mark_received_externally(index, pages))
    }

    /// Pauses: returns once no handler runs and no loader works, or the caller has resumed.
    pub fn pause(&self) -> Result<()> {
        self.owner.refuse_inside("pausing")?;
        // Not from within the engine: a clean-up must be able to end this wait.
        let gate = self.with_engine(|engine| {
            if engine.account().gate().pause() {
                engine.account().callbacks().event(&Event::Paused(None));
            }
            Ok(engine.account().gate().clone())
        })?;
        gate.wait_idle();
        Ok(())
    }

    /// Ends a pause. A handler call that is running meanwhile is, if it fails, repeated at once.
    pub fn resume(&self) -> Result<()> {
        self.with_engine(|engine| {
            // Told before it is done, so that a new failure is told after it.
            if engine.account().gate().is_paused() {
                engine.account().callbacks().event(&Event::Resumed);
            }
            engine.account().gate().resume();
            Ok(())
        })
    }

    /// Wakes the fault threads to look again.
    pub fn notify(&self) -> Result<()> {
        self.with_engine(|engine| {
            engine.wake_fault_threads();
            Ok(())
        })
    }

    /// The pages that the handler was asked for and that have not been placed yet.
    pub fn requested(&self) -> Result<Vec<(BlockId, u64)>> {
        self.with_engine(|engine| engine.account().requested_pages())
    }

    /// Waits until a snapshot load has placed every page: ETIMEDOUT, the reason of a pause after a failure, ECANCELED when
    /// it is aborted, or EIO when nothing is left to load and pages have been poisoned.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<()> {
        self.owner.refuse_inside("waiting for a load")?;
        // Not from within the engine: an abort must be able to end this wait.
        let gate = self.with_engine(|engine| {
            ensure!(engine.account().is_load(), EINVAL, "no snapshot is being loaded");
            Ok(engine.account().gate().clone())
        })?;
        gate.wait_complete(timeout)
    }

    /// The counters of the current set-up, or the last one.
    pub fn stats(&self) -> Statistics {
        let record = self.record.lock().clone();
        let (threads_waiting, oldest_wait_ns) = record.waits.now_waiting(&EVERYWHERE);
        let fault_threads = self.read_engine().as_ref().map_or(0, |engine| {
            engine.account().update_progress();
            engine.fault_threads() as u32
        });
        Statistics {
            fault_threads,
            threads_waiting: threads_waiting as u32,
            oldest_wait_ns,
            paused: record.gate.is_paused(),
            complete: record.gate.is_complete(),
            ..record.stats.read()
        }
    }

    /// How far a RAM block is. A clean-up forgets what was received.
    pub fn block_stats(&self, id: BlockId) -> Result<BlockStatistics> {
        let (block, record) = (self.block(id)?, self.record.lock().clone());
        let (threads_waiting, oldest_wait_ns) = record.waits.now_waiting(&block.addresses());
        Ok(BlockStatistics {
            length: block.length() as u64,
            page_size: block.page_size() as u64,
            bytes_received: block.offset_of(block.received_pages()) as u64,
            pages_requested: block.requested().count() as u64,
            pages_poisoned: if block.poisoned().any() { block.poisoned().pages().count() as u64 } else { 0 },
            threads_waiting: threads_waiting as u32,
            oldest_wait_ns,
        })
    }

    /// How long the vCPUs waited, in the current set-up or the last one.
    pub fn blocktime(&self) -> Result<BlocktimeReport> {
        let record = self.record.lock().clone();
        record.waits.blocktime().ok_or_else(|| error!(EINVAL, "no blocktime was asked for in a set-up"))
    }
}
