//! What the fuzzers do with working sets: any bytes are one, or are refused with an error.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::LazyLock;

use super::pieces::by_units;
use super::unit_map::{Piece, UnitMap};
use super::working_set::{self, Touched, WorkingSet};
use crate::error::Result;
use crate::memory::{BlockId, BlockTable, RamBlock, RamBlockSpec};
use crate::source::checksum::Checksum;
use crate::source::fuzzing::{file, path};
use crate::source::image::Image;
use crate::source::{PageSource, Snapshot};

const PAGE: usize = 4096;

/// The bytes behind the first one are a working set. If the first one is odd, it is one of this snapshot, and its
/// checksum is right: no fuzzer finds that by itself.
pub fn working_set(bytes: &[u8]) {
    static SNAPSHOT: LazyLock<(File, Snapshot)> = LazyLock::new(|| snapshot(1));
    let (_, snapshot) = &*SNAPSHOT;
    let identity = snapshot.identity().expect("a good snapshot has one");
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
    let (set, ram): (u64, u64) =
        (runs.iter().map(Touched::length).sum(), snapshot.blocks().iter().map(|block| block.length()).sum());
    assert!(set <= ram, "{set} bytes of {ram}");
    let encoded = working_set::encode(identity, runs.iter().cloned()).expect("memory for a few runs");
    assert_eq!(read_set(&encoded, snapshot).expect("what was read can be written"), runs);
    // As a load does with it.
    let blocks = (1..).zip(snapshot.blocks()).map(|(number, block)| (number << 30, block.length(), PAGE as u64));
    let table = table(&blocks.collect::<Vec<_>>());
    let touched = runs.iter().map(|touched| Piece {
        index: touched.block,
        pages: touched.bytes.start as usize / PAGE..touched.bytes.end as usize / PAGE,
    });
    let map = UnitMap::new(&table);
    for piece in by_units(&map, touched).expect("memory for a few runs") {
        assert!(!piece.pages.is_empty() && piece.pages.end <= table.blocks()[piece.index].pages(), "{piece:?}");
    }
}

/// A snapshot of two blocks with 16 and 4 pages, whose pages all have this byte.
pub(super) fn snapshot(byte: u8) -> (File, Snapshot) {
    let image = file(&[byte; 20 * PAGE]);
    let image_path = path(&image);
    let text =
        format!("uffd-incoming flat 1\nimage {}\nblock 0 0x10000 low\nblock 0x10000 0x4000 high", image_path.display());
    let snapshot = Snapshot::open(&path(&file(text.as_bytes()))).expect("a good snapshot");
    (image, snapshot)
}

/// RAM blocks, given by host address, length and page size.
pub(super) fn table(blocks: &[(usize, u64, u64)]) -> BlockTable {
    let mut table = BlockTable::default();
    for (id, &(host, length, page_size)) in blocks.iter().enumerate() {
        let spec = RamBlockSpec { idstr: format!("block{id}"), host, length, page_size };
        table.add(RamBlock::new(BlockId(id), spec).expect("a good block")).expect("no overlap");
    }
    table
}

pub(super) fn read_set(bytes: &[u8], snapshot: &Snapshot) -> Result<Vec<Touched>> {
    WorkingSet::read(&Image::duplicate(file(bytes).as_fd())?)?.of(snapshot)
}
