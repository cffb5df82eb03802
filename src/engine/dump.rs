//! The state in words, for whoever looks at a VM that is stuck. It can be asked for while a thread hangs that holds a lock: no
//! lock is taken that would have to be waited for, and no memory is allocated. What parking_lot does to wake a thread is not safe in
//! a signal handler, where it interrupts the same.

use std::fmt::{Result, Write};

use super::account::{Account, Record};
use super::waits::PageWait;
use crate::memory::{BlockTable, RamBlock};
use crate::stats::Statistics;

/// What is said instead of what a lock keeps from being seen.
pub(crate) const BUSY: &str = "not to be seen: another thread is changing it";

impl Record {
    /// What was counted, also when the set-up is over.
    pub fn dump(&self, to: &mut dyn Write) -> Result {
        self.stats.read().dump(to)
    }

    fn dump_threads(&self, to: &mut dyn Write) -> Result {
        let looked = self.gate.try_look(|look| {
            let ending = if look.ending { ", ending" } else { "" };
            writeln!(to, "threads: {} of {} at work{ending}", look.at_work, look.workers)?;
            look.paused.map_or(Ok(()), |why| writeln!(to, "paused: {why}"))
        });
        looked.unwrap_or_else(|| writeln!(to, "threads and pause: {BUSY}"))
    }
}

impl Statistics {
    fn dump(&self, to: &mut dyn Write) -> Result {
        if self.bytes_total > 0 {
            let Self { bytes_loaded, bytes_total, bytes_mapped, .. } = self;
            writeln!(
                to,
                "load: {bytes_loaded} of {bytes_total} bytes in place, {bytes_mapped} of them mapped from the file"
            )?;
        }
        let Self { faults, pages_placed, zero_pages_placed, pages_requested, source_errors, pages_poisoned, .. } = self;
        writeln!(
            to,
            "pages: {faults} faults, {pages_placed} placed with data, {zero_pages_placed} with zeros, {pages_requested} requested, \
             {pages_poisoned} poisoned; {source_errors} failed reads or requests"
        )
    }
}

impl Account {
    /// The threads and the pause, what was counted, the RAM blocks, and who waits for pages of them.
    pub fn dump(&self, to: &mut dyn Write) -> Result {
        self.update_progress();
        self.record().dump_threads(to)?;
        self.record().dump(to)?;
        dump_blocks(self.table(), to)?;
        let Some(waiting) = self.waits().try_waiting() else { return writeln!(to, "waiting threads: {BUSY}") };
        let order = if waiting.threads > 1 { ", the longest wait first" } else { "" };
        writeln!(to, "waiting threads: {}{order}", waiting.threads)?;
        waiting.oldest.iter().flatten().try_for_each(|wait| self.dump_wait(wait, to))
    }

    fn dump_wait(&self, wait: &PageWait, to: &mut dyn Write) -> Result {
        write!(to, "  thread {}", wait.thread)?;
        if let Some(vcpu) = wait.vcpu {
            write!(to, " (vCPU {vcpu})")?;
        }
        write!(to, " for {}.{:03} s: page at {:#x}", wait.ns / 1_000_000_000, wait.ns / 1_000_000 % 1000, wait.page)?;
        if let Some((index, page)) = self.table().locate(wait.page) {
            let block = self.block(index);
            write!(to, ", '{}' offset {:#x}", block.idstr(), block.offset_of(page))?;
        }
        writeln!(to)
    }
}

/// RAM blocks, one in a line.
pub(crate) fn dump_blocks(table: &BlockTable, to: &mut dyn Write) -> Result {
    table.blocks().iter().try_for_each(|block| dump_block(block, to))
}

fn dump_block(block: &RamBlock, to: &mut dyn Write) -> Result {
    write!(to, "{block}: {} pages of {} bytes: ", block.pages(), block.page_size())?;
    write!(to, "{} received, {} requested", block.received_pages(), block.requested().count())?;
    if block.poisoned().any() {
        write!(to, ", some poisoned")?;
    }
    writeln!(to, "{}", if block.is_removed() { ", removed" } else { "" })
}
