//! What the fuzzers do with files: any bytes are a snapshot or a working set, or are refused with an error.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::Snapshot;
use super::block::Kind;
use super::checksum::Checksum;
use super::image::Image;
use super::order::{Order, Piece};
use super::working_set::{self, Touched};
use crate::error::Result;
use crate::memory::{BlockId, BlockTable, RamBlock, RamBlockSpec};

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

/// The bytes behind the first one are a working set. If the first one is odd, it is one of the snapshot at hand, and its
/// checksum is right: no fuzzer finds that by itself.
pub fn working_set(bytes: &[u8]) {
    static SNAPSHOT: LazyLock<(File, Snapshot, u64)> = LazyLock::new(|| {
        let image = file(&[1; 20 * PAGE]);
        let image_path = path(&image);
        let text = format!(
            "uffd-incoming flat 1\nimage {}\nblock 0 0x10000 low\nblock 0x10000 0x4000 high",
            image_path.display()
        );
        let snapshot = Snapshot::open(&path(&file(text.as_bytes()))).expect("a good snapshot");
        let identity = snapshot.identity().expect("a good snapshot has one");
        (image, snapshot, identity)
    });
    let (_, snapshot, identity) = &*SNAPSHOT;
    let Some((first, content)) = bytes.split_first() else { return };
    let mut content = content.to_vec();
    if first % 2 != 0 {
        if let Some(place) = content.get_mut(12..20) {
            place.copy_from_slice(&identity.to_be_bytes());
        }
        let checksum = Checksum::of(&content);
        content.extend(checksum.to_be_bytes());
    }
    let Ok(runs) = read_set(&content, snapshot) else { return };
    // Or a small file could take any amount of memory.
    let (set, ram): (u64, u64) = (
        runs.iter().map(|run| run.bytes.end - run.bytes.start).sum(),
        snapshot.blocks().iter().map(|block| block.length()).sum(),
    );
    assert!(set <= ram, "{set} bytes of {ram}");
    let encoded = working_set::encode(*identity, runs.iter().cloned()).expect("memory for a few runs");
    assert_eq!(read_set(&encoded, snapshot).expect("what was read can be written"), runs);
    // As a load does with it.
    let mut table = BlockTable::default();
    for (index, block) in snapshot.blocks().iter().enumerate() {
        let (host, length) = (0x4000_0000 * (index + 1), block.length());
        let spec = RamBlockSpec { idstr: block.idstr().into(), host, length, page_size: PAGE as u64 };
        table.add(RamBlock::new(BlockId(index), spec).expect("a good block")).expect("no overlap");
    }
    let touched = runs.iter().map(|touched| Piece {
        index: touched.block,
        pages: touched.bytes.start as usize / PAGE..touched.bytes.end as usize / PAGE,
    });
    let order = Order::new(&table).expect("memory for two blocks");
    for piece in order.by_units(touched).expect("memory for a few runs") {
        assert!(!piece.pages.is_empty() && piece.pages.end <= table.blocks()[piece.index].pages(), "{piece:?}");
    }
}

fn read_set(bytes: &[u8], snapshot: &Snapshot) -> Result<Vec<Touched>> {
    working_set::read(&Image::duplicate(file(bytes).as_fd())?, snapshot)
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
        let mut byte = [0];
        // SAFETY: the buffer has room for all of it.
        unsafe { snapshot.read(index, length, byte.as_mut_ptr(), 1) }.expect_err("that is beyond the end");
    }
}

/// Reads in every way there is, which must agree.
fn check_reading(snapshot: &Snapshot, index: usize, offset: u64, length: u64) {
    let length = length as usize;
    let (mut read, mut cached) = (vec![0xee; length], vec![0xee; length]);
    // SAFETY: the buffers have room for all of it.
    let (result, count) = unsafe {
        let result = snapshot.read(index, offset, read.as_mut_ptr(), length);
        (result, snapshot.read_cached(index, offset, cached.as_mut_ptr(), length))
    };
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
