//! The state in words.

use std::fmt::{Result, Write};

use super::incoming::{Incoming, Phase};
use crate::engine::{BUSY, dump_blocks};

impl Incoming {
    /// Writes the state in words, line by line, for whoever looks at a VM that is stuck: what keeps the threads from their work,
    /// which threads wait for which pages and for how long, how much of each RAM block is in place. It takes no lock that it
    /// would have to wait for, and allocates no memory. What another thread is just changing is said to be so.
    pub fn dump(&self, to: &mut dyn Write) -> Result {
        let phase = self.phase.try_lock();
        let state = match phase.as_deref() {
            None => BUSY,
            Some(Phase::Attached) => "attached, not armed",
            Some(Phase::Changing(what)) => what,
            Some(Phase::Listing) => "the RAM blocks are being listed for a set-up",
            Some(Phase::Armed(_)) => "armed",
            Some(Phase::Retired) => "detached",
        };
        drop(phase);
        writeln!(to, "state: {state}")?;
        match self.engine.try_read_recursive().as_deref() {
            Some(Some(engine)) => return engine.account().dump(to),
            Some(None) => {}
            None => writeln!(to, "threads, pause and waits: {BUSY}")?,
        }
        // Of the set-up before, mostly.
        match self.record.try_lock() {
            Some(record) => record.dump(to)?,
            None => writeln!(to, "pages: {BUSY}")?,
        }
        match self.table.try_read_recursive() {
            Some(table) => dump_blocks(&table, to),
            None => writeln!(to, "RAM blocks: {BUSY}"),
        }
    }
}
