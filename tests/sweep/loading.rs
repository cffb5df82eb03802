//! Loading a snapshot while threads touch the RAM.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use uffd_incoming::injection::Call;
use uffd_incoming::{Config, LoadConfig, Snapshot, load};

use super::plan::Until;
use super::ram::{Behind, PAGE, Ram, Touchers, ZEROS};
use super::rig::{Rig, Watcher};
use super::run::{Abandoned, Run};
use super::snapshots::{self, LENGTH, NAME, SOME_PAGES, Snapshots};

pub struct Loading {
    behind: Behind,
    file: fn(&Snapshots) -> &Path,
    fault_threads: u32,
    loader_threads: u32,
    no_readers: bool,
    track_discards: bool,
    background: bool,
    keep_present: bool,
    direct_io: bool,
    map_private: bool,
    record: bool,
    replay: bool,
}

pub const ANONYMOUS: Loading = Loading {
    behind: Behind::Anonymous,
    file: |snapshots| &snapshots.flat,
    fault_threads: 1,
    loader_threads: 1,
    no_readers: false,
    track_discards: false,
    background: true,
    keep_present: false,
    direct_io: false,
    map_private: false,
    record: false,
    replay: false,
};

pub const THREADS: Loading = Loading {
    file: |snapshots| &snapshots.mapped_ram,
    fault_threads: 2,
    loader_threads: 2,
    no_readers: true,
    keep_present: true,
    ..ANONYMOUS
};

/// Of a file that nothing is in the page cache of.
pub const DIRECT: Loading = Loading { file: |snapshots| &snapshots.mapped_ram, direct_io: true, ..ANONYMOUS };

/// Of which nothing is copied.
pub const MAPPED: Loading =
    Loading { file: |snapshots| &snapshots.mapped_ram, map_private: true, record: true, replay: true, ..ANONYMOUS };

pub const MEMFD: Loading = Loading { behind: Behind::Memfd, record: true, ..ANONYMOUS };

pub const PRIVATE_MEMFD: Loading = Loading { behind: Behind::PrivateMemfd, record: true, replay: true, ..ANONYMOUS };

/// Of which nothing is loaded but what was recorded, and touched; and what is discarded is read of.
pub const WORKING_SET: Loading =
    Loading { behind: Behind::Anonymous, background: false, track_discards: true, ..PRIVATE_MEMFD };

pub fn play(run: &Run<'_>, loading: &Loading) {
    let injected = run.plan.map(|plan| (plan.call, plan.until));
    if loading.track_discards && injected.is_some_and(|(call, until)| call == Call::ReadFaults && until != Until::Once)
    {
        // The kernel waits for its being read that RAM is emptied: nothing can be done about that.
        return;
    }
    if loading.direct_io && !snapshots::drop_from_page_cache((loading.file)(run.snapshots)) {
        println!("the file system of the temporary directory has no direct reads: they are not swept");
        return;
    }
    let ram = Ram::new(loading.behind, LENGTH);
    ram.ask_for_huge_pages();
    if !loading.keep_present && !matches!(loading.behind, Behind::PrivateMemfd) {
        // What a load has to get rid of.
        [0, 700, 1151].iter().for_each(|page| ram.write(*page, &[0xee; 100]));
    }
    let _ = fs::remove_file(&run.snapshots.recorded);
    let config =
        Config { fault_threads: loading.fault_threads, track_discards: loading.track_discards, ..Config::default() };
    let rig = Rig::with(run, config, Watcher::default());
    let mut touchers = Touchers::default();
    let played = play_out(&rig, loading, &ram, &mut touchers);
    let is_complete = rig.incoming.stats().complete;
    rig.end(played, touchers);
    // Otherwise no set-up came far enough to change it.
    if rig.incoming.stats().bytes_total > 0 {
        check(&ram, run, is_complete);
    }
    let told = rig.watcher.was_told("the working set was not recorded");
    let failed = run.plan.is_some_and(|plan| {
        use Call::{Create, Fstat, OpenPageMap, Pread, ReadPageMap, Rename, Write};
        matches!(plan.call, Create | Write | Rename | Pread | Fstat | OpenPageMap | ReadPageMap)
    });
    assert!(!told || failed, "a record is missing without a reason");
    if loading.record && is_complete {
        assert_eq!(run.snapshots.recorded.exists(), !told, "a record is there, or a message says why not");
    }
    run.snapshots.check_directory();
}

fn play_out(rig: &Rig<'_>, loading: &Loading, ram: &Arc<Ram>, touchers: &mut Touchers) -> Result<(), Abandoned> {
    let (run, snapshots) = (rig.run, rig.run.snapshots);
    let open = || Snapshot::open((loading.file)(snapshots)).map(Arc::new);
    let snapshot = run.set_up("opening the snapshot", open, || ())?;
    ram.add_to(&rig.incoming, 1, NAME);
    let config = LoadConfig {
        keep_present: loading.keep_present,
        direct_io: loading.direct_io,
        no_huge_pages: false,
        map_private: loading.map_private,
        zero_scan: true,
        background: loading.background,
        loader_threads: loading.loader_threads,
        no_readers: loading.no_readers,
        reader_threads: 1,
        channels: 1,
        working_set_record: loading.record.then(|| snapshots.recorded.clone()),
        working_set_replay: loading.replay.then(|| snapshots.working_set.clone()),
    };
    rig.set_up(|| load(&rig.incoming, &snapshot, &config))?;
    drop(snapshot);
    let half = SOME_PAGES.len() / 2;
    touchers.start(ram, &snapshots.contents, SOME_PAGES[..half + 3].iter().copied());
    touchers.start(ram, &snapshots.contents, SOME_PAGES[half - 3..].iter().rev().copied());
    touchers.start(ram, &snapshots.contents, SOME_PAGES.iter().map(|page| (page + 13) % snapshots.contents.pages()));
    rig.until(|| touchers.at_work() == 0)?;
    if !loading.background {
        let error = rig.incoming.cleanup().unwrap_err();
        assert_eq!(error.errno(), libc::EBUSY, "pages are missing: {error}");
        // All that was touched is there.
        assert_eq!(rig.incoming.abort(), Ok(()));
        return Ok(());
    }
    // Every byte is compared after the clean-up: until then, pages of zeros that were not placed are still faulted on.
    rig.until_complete()
}

/// All of it is as in the snapshot; where it was abandoned, pages may be zeros instead.
fn check(ram: &Ram, run: &Run<'_>, is_complete: bool) {
    let contents = &run.snapshots.contents;
    for page in 0..LENGTH / PAGE {
        let right = ram.holds(page, contents.page(page));
        assert!(right || !is_complete && ram.holds(page, &ZEROS), "page {page} is wrong, complete: {is_complete}");
    }
}
