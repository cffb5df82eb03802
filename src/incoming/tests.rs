//! A set-up or clean-up in which the library itself panics: it is a failure, and the mis can be used again.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::fault::{Fault, PageHandler};
use super::load::Load;
use super::setup::Plan;
use super::{Config, Engine, Hooks, Incoming, LogLevel};
use crate::error::Result;
use crate::kernel::{Mapping, Maps, page_size};
use crate::memory::{BlockId, BlockTable, RamBlockSpec};

/// Counts the errors that are logged.
#[derive(Default)]
struct Logged(AtomicUsize);

impl Hooks for Logged {
    fn log(&self, level: LogLevel, _message: &str) {
        self.0.fetch_add(usize::from(level == LogLevel::Error), SeqCst);
    }
}

/// A load that others do, and that panics in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Panics {
    Preparing,
    Building,
    Finishing,
    Never,
}

impl Panics {
    fn at(self, place: Self) {
        assert!(self != place, "on purpose");
    }
}

impl PageHandler for Panics {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        fault.place_zeros()
    }
}

impl Load for Panics {
    fn prepare(&self, _table: &BlockTable, _fault_threads: usize) -> Result<()> {
        self.at(Panics::Preparing);
        Ok(())
    }
    fn check_apart(&self, _table: &BlockTable, _maps: &Maps) -> Result<()> {
        Ok(())
    }
    fn keeps_present(&self) -> bool {
        true
    }
    fn makes_huge_pages(&self) -> bool {
        false
    }
    fn zeros(&self, _index: usize) -> Vec<Range<usize>> {
        Vec::new()
    }
    fn queued(&self, _index: usize, _page: usize) {}
    fn threads(&self) -> usize {
        self.at(Panics::Building);
        0
    }
    fn run(&self, _engine: &Engine, _worker: usize) {}
    fn finish(&self, _engine: &Engine) {
        self.at(Panics::Finishing);
    }
}

fn arm(incoming: &Arc<Incoming>, panics: Panics) -> Result<()> {
    incoming.arm(|_| Ok(Plan { load: Some(Arc::new(panics)), ..Plan::new(Arc::new(panics), 1) }))
}

#[test]
fn a_panic_in_a_set_up_or_a_clean_up_leaves_nothing_in_between() {
    let memory = Mapping::new(page_size(), "RAM").unwrap();
    let logged = Arc::new(Logged::default());
    let incoming = Incoming::new(Config { hooks: logged.clone(), user_mode_only: true, ..Config::default() }).unwrap();
    let (host, length) = (memory.as_ptr().expose_provenance(), page_size() as u64);
    let spec = RamBlockSpec { idstr: "ram".to_owned(), host, length, page_size: length };
    // SAFETY: the memory is there longer than the block.
    unsafe { incoming.add_ram_block(BlockId(1), spec) }.unwrap();

    for panics in [Panics::Preparing, Panics::Building] {
        let error = arm(&incoming, panics).unwrap_err();
        assert_eq!(error.errno(), libc::ENOTRECOVERABLE, "{error}");
        assert!(incoming.read_engine().is_none());
    }
    arm(&incoming, Panics::Finishing).unwrap();
    incoming.abort().unwrap();
    assert_eq!(logged.0.load(SeqCst), 1);
    arm(&incoming, Panics::Never).unwrap();
    incoming.abort().unwrap();
    incoming.retire().unwrap();
}
