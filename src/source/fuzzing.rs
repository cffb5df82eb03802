//! What the fuzzers do with files: any bytes are a snapshot, or are refused with an error.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Mutex;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{Kind, PageSource, Snapshot};

const PAGE: usize = 4096;

/// No more than this is read at once: a target page can be 1 GiB.
const MOST_READ: u64 = 64 << 10;

/// More runs than that are alike.
const MOST_RUNS: usize = 4096;

/// The number of the descriptor that an image has for its description: `image 900` is relative to /proc/self/fd.
const IMAGE: RawFd = 900;

/// The bytes are a mapped-ram file.
pub fn mapped_ram(bytes: &[u8]) {
    let file = file(bytes);
    if let Ok(snapshot) = Snapshot::open(&path(&file)) {
        walk(&snapshot);
    }
}

/// The bytes are the description of a flat image, and behind a NUL the image: each byte a page of it, 0 a hole.
pub fn flat(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (description, pages) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let image = file(&[]);
    image.set_len((pages.len() * PAGE) as u64).expect("the image's length");
    for (page, byte) in pages.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        image.write_all_at(&[*byte; PAGE], (page * PAGE) as u64).expect("writing the image");
    }
    // SAFETY: a number that nothing else here uses, and the result is owned.
    let _numbered = unsafe { OwnedFd::from_raw_fd(libc::dup3(image.as_raw_fd(), IMAGE, libc::O_CLOEXEC)) };
    let file = file(description);
    if let Ok(snapshot) = Snapshot::open(&path(&file)) {
        walk(&snapshot);
    }
}

/// Goes through all blocks of an open snapshot, and reads some of each.
fn walk(snapshot: &Snapshot) {
    let _ = snapshot.identity();
    for (index, block) in snapshot.blocks().iter().enumerate() {
        let length = block.length();
        assert!(length > 0 && length % block.page_size() == 0 && block.data_bytes() <= length);
        let (mut at, mut data, mut before) = (0, 0, None);
        for _ in 0..MOST_RUNS {
            let run = snapshot.run(index, at, u64::MAX);
            assert!(run.length > 0 && run.length <= length - at, "{run:?} at {at:#x} of {length:#x}");
            assert_ne!(before, Some(run.kind), "the run before {at:#x} ended too early");
            before = Some(run.kind);
            data += if run.kind == Kind::Data { run.length } else { 0 };
            let end = at + run.length;
            for from in [at, end.saturating_sub(MOST_READ / 2)] {
                check_reading(snapshot, index, from, MOST_READ.min(length - from));
            }
            at = end;
            if at == length {
                assert_eq!(data, block.data_bytes());
                break;
            }
        }
        snapshot.read(index, length, &mut [0]).expect_err("that is beyond the end");
    }
}

/// Reads in every way there is, which must agree.
fn check_reading(snapshot: &Snapshot, index: usize, offset: u64, length: u64) {
    let length = length as usize;
    let (mut read, mut cached) = (vec![0xee; length], vec![0xee; length]);
    let result = snapshot.read(index, offset, &mut read);
    let count = snapshot.read_cached(index, offset, &mut cached);
    result.expect("the file has all that its structure says");
    assert!(count <= length && cached[..count] == read[..count]);
}

/// A file in memory with these bytes.
pub(crate) fn file(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create("fuzzing", MFdFlags::MFD_CLOEXEC).expect("memfd_create"));
    file.write_all(bytes).expect("writing the memfd");
    file
}

/// A path by which the file can be opened.
pub(crate) fn path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}
