//! Snapshots from files that are made here: what is read from them, and what is refused.

mod flat;
mod mapped_ram;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::stat::Mode;

use super::{Kind, PageSource, Run, Snapshot, SnapshotFormat};
use crate::error::Result;
pub(crate) use crate::source::fuzzing::{file, path};

/// The bytes of block `index` from `offset` on.
fn read(snapshot: &Snapshot, index: usize, offset: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0xee; length];
    snapshot.read(index, offset, &mut bytes).map(|()| bytes)
}

fn data(length: u64) -> Run {
    Run { length, kind: Kind::Data }
}

fn zero(length: u64) -> Run {
    Run { length, kind: Kind::Zero }
}

#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(result: Result<T>, errno: i32, words: &str) {
    let error = result.expect_err("this should have been refused");
    assert!(error.errno() == errno, "errno {errno} was expected for: {error}, not {}", error.errno());
    assert!(error.message().contains(words), "the message should say '{words}', but it says: {error}");
}

#[test]
fn a_snapshot_can_be_shared_by_threads() {
    fn check<T: Send + Sync>() {}
    check::<Snapshot>();
}

#[test]
fn what_is_no_file_is_refused() {
    assert_refused(Snapshot::open(Path::new("/nowhere/at all")), libc::ENOENT, "'/nowhere/at all': opening: ENOENT");
    assert_refused(Snapshot::open(Path::new("/")), libc::EINVAL, "'/': it is a directory");
    assert_refused(Snapshot::open(Path::new("/dev/null")), libc::EINVAL, "it is a character device");
    let (reader, _writer) = nix::unistd::pipe().unwrap();
    assert_refused(Snapshot::open_fd(reader.as_fd(), 0), libc::EINVAL, "it is a FIFO");
}

#[test]
fn a_fifo_that_nobody_writes_to_is_refused_and_not_waited_for() {
    let fifo = std::env::temp_dir().join(format!("uffd-incoming-fifo-{}", std::process::id()));
    nix::unistd::mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).expect("mkfifo");
    let (sender, opened) = mpsc::channel();
    let path = fifo.clone();
    thread::spawn(move || sender.send(Snapshot::open(&path)).is_ok());
    let opened = opened.recv_timeout(Duration::from_secs(10));
    std::fs::remove_file(&fifo).unwrap();
    assert_refused(opened.expect("opening the FIFO hangs"), libc::EINVAL, "it is a FIFO");
}

#[test]
fn what_is_no_snapshot_is_refused() {
    for (bytes, start) in [(&b""[..], "''"), (b"QEV", "'QEV'"), (b"\x7fELF and more of the same", "'\\x7fELF and")] {
        let file = file(bytes);
        assert_refused(Snapshot::open(&path(&file)), libc::EINVAL, &format!("it starts with {start}"));
    }
}
