//! Looking at the host, and opening snapshots of each kind.

use std::fs::File;
use std::os::fd::AsFd;

use uffd_incoming::{Snapshot, probe};

use super::left_behind::Resources;
use super::run::{Abandoned, Run};
use super::snapshots::{LENGTH, NAME};

pub fn play(run: &Run<'_>) {
    let host = probe();
    let ways = [&host.device, &host.syscall, &host.user_mode];
    ways.into_iter().flat_map(|way| way.as_ref().err()).for_each(|error| run.check(error, "probing"));
    assert!(host.advice().is_empty() || host.device.is_err() && host.syscall.is_err());
    if run.plan.is_none() {
        assert!(host.features != 0 && ways.iter().all(|way| way.is_ok()), "{host:?}");
    }
    // Where it lasts, there is nothing to go on with.
    let _: Result<(), Abandoned> = open_each(run);
}

fn open_each(run: &Run<'_>) -> Result<(), Abandoned> {
    let before = Resources::count();
    let nothing = || before.check("a snapshot that could not be opened");
    let snapshots = run.snapshots;
    check(run, &run.set_up("opening a flat image", || Snapshot::open(&snapshots.flat), nothing)?);
    check(run, &run.set_up("opening a mapped-ram file", || Snapshot::open(&snapshots.mapped_ram), nothing)?);
    let file = File::open(&snapshots.mapped_ram).unwrap();
    let open = || Snapshot::open_fd(file.as_fd(), 0);
    check(run, &run.set_up("opening a descriptor", open, || ())?);
    Ok(())
}

/// No page of data is taken for zeros; where holes are not told, zeros may be taken for data.
fn check(run: &Run<'_>, snapshot: &Snapshot) {
    let [block] = snapshot.blocks() else { panic!("blocks: {:?}", snapshot.blocks()) };
    assert_eq!((block.idstr(), block.length()), (NAME, LENGTH as u64));
    let contents = &run.snapshots.contents;
    let data = (0..contents.pages()).filter(|page| !contents.is_zero(*page)).count() * super::ram::PAGE;
    assert!(block.data_bytes() >= data as u64 && (run.plan.is_some() || block.data_bytes() == data as u64));
}
