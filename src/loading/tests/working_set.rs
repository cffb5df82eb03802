//! Working-set files: what is written is read again, and what is damaged or means another snapshot is refused.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::loading::fuzzing::{read_set, snapshot};
use crate::loading::working_set::{MOST_RUNS, Touched, encode};
use crate::source::checksum::Checksum;
use crate::source::tests::{assert_refused, file, path};
use crate::source::{PageSource, Snapshot};

fn touched() -> Vec<Touched> {
    vec![
        Touched { block: 1, bytes: 0x3000..0x4000 },
        Touched { block: 0, bytes: 0..0x10000 },
        Touched { block: 1, bytes: 0x1000..0x3000 },
    ]
}

/// The file with these bytes changed and its checksum made right again.
fn changed(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes[at..at + with.len()].copy_from_slice(with);
    let end = bytes.len() - 8;
    let checksum = Checksum::of(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

#[test]
fn what_was_written_is_read_again() {
    let (_image, snapshot) = snapshot(1);
    for set in [touched(), Vec::new()] {
        let bytes = encode(snapshot.identity().unwrap(), set.iter().cloned()).unwrap();
        assert_eq!(read_set(&bytes, &snapshot).unwrap(), set);
    }
}

#[test]
fn another_snapshot_has_another_identity() {
    let (_image, one) = snapshot(1);
    let (_same_image, same) = snapshot(1);
    let (_other_image, other) = snapshot(2);
    assert_eq!(one.identity().unwrap(), same.identity().unwrap());
    let bytes = encode(one.identity().unwrap(), touched().into_iter()).unwrap();
    assert_refused(read_set(&bytes, &other), libc::ESTALE, "it is the working set of another snapshot than '");
}

#[test]
fn every_changed_byte_is_found() {
    let (_image, snapshot) = snapshot(1);
    let bytes = encode(snapshot.identity().unwrap(), touched().into_iter()).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        read_set(&damaged, &snapshot).expect_err(&format!("byte {at} was changed"));
    }
}

#[test]
fn every_other_length_is_refused() {
    let (_image, snapshot) = snapshot(1);
    let mut bytes = encode(snapshot.identity().unwrap(), touched().into_iter()).unwrap();
    for length in 0..bytes.len() {
        read_set(&bytes[..length], &snapshot).expect_err(&format!("it was cut to {length} bytes"));
    }
    bytes.push(0);
    assert_refused(read_set(&bytes, &snapshot), libc::EINVAL, "3 runs take");
}

#[test]
fn what_makes_no_sense_is_refused_though_its_checksum_is_right() {
    let (_image, snapshot) = snapshot(1);
    let bytes = encode(snapshot.identity().unwrap(), touched().into_iter()).unwrap();
    let refused = |at: usize, with: &[u8], words: &str| {
        assert_refused(read_set(&changed(bytes.clone(), at, with), &snapshot), libc::EINVAL, words);
    };
    refused(0, b"x", "it is no working set");
    refused(8, &2_u32.to_be_bytes(), "version is 2");
    refused(20, &u32::MAX.to_be_bytes(), "4294967295 runs are more than");
    refused(20, &2_u32.to_be_bytes(), "2 runs take");
    for (at, with) in [
        (24, &2_u32.to_be_bytes()[..]),          // a block that there is not
        (28, &0_u32.to_be_bytes()),              // no bytes
        (28, &0x800_u32.to_be_bytes()),          // half a page
        (28, &0x2000_u32.to_be_bytes()),         // beyond the block's end
        (32, &0x3800_u64.to_be_bytes()),         // at half a page
        (32, &(u64::MAX - 0xfff).to_be_bytes()), // beyond 2^64
    ] {
        refused(at, with, "is in no block");
    }
}

#[test]
fn runs_that_overlap_are_refused() {
    let (_image, snapshot) = snapshot(1);
    let identity = snapshot.identity().unwrap();
    let run = |block, bytes| Touched { block, bytes };
    let read = |set: &[Touched]| read_set(&encode(identity, set.iter().cloned()).unwrap(), &snapshot);
    for others in
        [[0..0x2000, 0x1000..0x3000], [0x1000..0x3000, 0..0x2000], [0..0x4000, 0..0x4000], [0..0x4000, 0x1000..0x2000]]
    {
        let [one, other] = others.map(|bytes| run(1, bytes));
        assert_refused(read(&[one, run(0, 0..0x10000), other]), libc::EINVAL, "of RAM block 1 overlap");
    }
    let apart = [run(1, 0x2000..0x4000), run(0, 0..0x2000), run(1, 0..0x2000), run(0, 0x2000..0x4000)];
    assert_eq!(read(&apart).unwrap(), apart);
}

/// A file of 16 MiB with a right checksum must not take more memory than the RAM is worth: it once took 4 GiB for this.
#[test]
fn a_million_runs_of_all_the_ram_are_refused() {
    const LENGTH: u64 = 1 << 30;
    let image = file(b"");
    image.set_len(LENGTH).unwrap();
    let description = format!("uffd-incoming flat 1\nimage {}\nblock 0 {LENGTH} ram", path(&image).to_str().unwrap());
    let snapshot = Snapshot::open(&path(&file(description.as_bytes()))).unwrap();
    let runs = vec![Touched { block: 0, bytes: 0..LENGTH }; MOST_RUNS];
    let bytes = encode(snapshot.identity().unwrap(), runs.into_iter()).unwrap();
    assert_refused(read_set(&bytes, &snapshot), libc::EINVAL, "of RAM block 0 overlap");
}

proptest! {
    /// Whatever the runs are, those that are read are no more than the RAM, and those that do not overlap are read.
    #[test]
    fn no_set_is_more_than_the_ram(runs in vec((0..2_usize, 0..20_u64, 1..6_u64), 0..12)) {
        let (_image, snapshot) = snapshot(1);
        let pages = [16, 4];
        let runs = runs.iter().filter(|(block, page, count)| page + count <= pages[*block]);
        let set: Vec<_> =
            runs.map(|(block, page, count)| Touched { block: *block, bytes: page * 4096..(page + count) * 4096 }).collect();
        let mut times = [[0; 16]; 2];
        for run in &set {
            (run.bytes.start / 4096..run.bytes.end / 4096).for_each(|page| times[run.block][page as usize] += 1);
        }
        let read = read_set(&encode(snapshot.identity().unwrap(), set.iter().cloned()).unwrap(), &snapshot);
        if times.as_flattened().iter().all(|times| *times <= 1) {
            prop_assert_eq!(read.unwrap(), set);
        } else {
            prop_assert_eq!(read.unwrap_err().errno(), libc::EINVAL);
        }
    }
}
