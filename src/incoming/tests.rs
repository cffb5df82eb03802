//! A set-up or clean-up in which the library itself panics: it is a failure, and the mis can be used again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::incoming::Incoming;
use super::{Config, restore};
use crate::engine::{Hooks, LogLevel};
use crate::error::Result;
use crate::kernel::{Mapping, page_size};
use crate::loading::LoadConfig;
use crate::memory::{BlockId, RamBlockSpec};
use crate::source::{Kind, PageSource, Run, SnapshotBlock, SourceInfo};

/// Counts the errors that are logged.
#[derive(Default)]
struct Logged(AtomicUsize);

impl Hooks for Logged {
    fn log(&self, level: LogLevel, _message: &str) {
        self.0.fetch_add(usize::from(level == LogLevel::Error), SeqCst);
    }
}

/// Where a source of one page panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Panics {
    Matching,
    LookingForZeros,
    Identifying,
    Never,
}

struct Source {
    panics: Panics,
    info: SourceInfo,
}

impl Source {
    fn panic_at(&self, place: Panics) {
        assert!(self.panics != place, "on purpose");
    }
}

impl PageSource for Source {
    fn info(&self) -> &SourceInfo {
        self.panic_at(Panics::Matching);
        &self.info
    }

    fn run(&self, _block: usize, _offset: u64, max: u64) -> Run {
        self.panic_at(Panics::LookingForZeros);
        Run { length: max, kind: Kind::Data }
    }

    fn read(&self, _block: usize, _offset: u64, to: &mut [u8]) -> Result<()> {
        to.fill(7);
        Ok(())
    }

    fn read_cached(&self, block: usize, offset: u64, to: &mut [u8]) -> usize {
        self.read(block, offset, to).map_or(0, |()| to.len())
    }

    fn identity(&self) -> Result<u64> {
        self.panic_at(Panics::Identifying);
        Ok(1)
    }
}

/// Loads the page, and records a working set.
fn load(incoming: &Incoming, panics: Panics, record: &std::path::Path) -> Result<()> {
    let length = page_size() as u64;
    let block = SnapshotBlock { idstr: "ram".to_owned(), length, page_size: length, data_bytes: length };
    let config = LoadConfig { working_set_record: Some(PathBuf::from(record)), ..LoadConfig::default() };
    let info = SourceInfo { name: "a test".to_owned(), blocks: vec![block], files: None };
    restore::load_from(incoming, Arc::new(Source { panics, info }), &config)
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

    let record = std::env::temp_dir().join(format!("uffd-incoming-panics-{}", std::process::id()));
    for panics in [Panics::Matching, Panics::LookingForZeros] {
        let error = load(&incoming, panics, &record).unwrap_err();
        assert_eq!(error.errno(), libc::ENOTRECOVERABLE, "{error}");
        assert!(incoming.read_engine().is_none());
    }
    assert_eq!(logged.0.load(SeqCst), 0);
    load(&incoming, Panics::Identifying, &record).unwrap();
    incoming.wait(None).unwrap();
    incoming.cleanup().unwrap();
    assert_eq!(logged.0.load(SeqCst), 1);
    load(&incoming, Panics::Never, &record).unwrap();
    incoming.wait(None).unwrap();
    // SAFETY: the page is in place, and nothing writes to it.
    assert_eq!(unsafe { memory.as_ptr().read_volatile() }, 7);
    incoming.cleanup().unwrap();
    assert_eq!(logged.0.load(SeqCst), 1);
    assert!(std::fs::remove_file(&record).is_ok(), "no working set was written");
    incoming.retire().unwrap();
}
