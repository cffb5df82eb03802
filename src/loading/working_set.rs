//! Working sets: which pages a restore faulted on, in order, kept in a small file for the next restore to load first.
//!
//! The file, numbers big-endian: "UFFDWSET", version u32 = 1, identity of the snapshot u64, number of runs u32, then for
//! each run: index of the RAM block in the snapshot u32, length u32 and offset u64 in bytes; at last a checksum u64 of all
//! before. No two runs overlap, so that all of them are no more than the RAM. A file that is damaged, or is of another snapshot,
//! costs time at worst: it only says what to load first.

use std::ops::Range;

use crate::error::{Result, ensure, with_room};
use crate::source::PageSource;
use crate::source::checksum::Checksum;
use crate::source::cursor::Cursor;
use crate::source::image::Image;

const MAGIC: &[u8; 8] = b"UFFDWSET";
const VERSION: u32 = 1;
const HEADER: u64 = 8 + 4 + 8 + 4;
const RUN: u64 = 4 + 4 + 8;

/// Any run is a multiple of this long.
const GRAIN: u64 = 4096;

/// The most runs of a working set; 4 GiB of RAM that were touched in single pages of 4 KiB have as many.
pub(crate) const MOST_RUNS: usize = 1 << 20;

/// Bytes of a snapshot's RAM block that were faulted on together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    /// The block's index in the snapshot.
    pub block: usize,
    pub bytes: Range<u64>,
}

/// The file that says this of a snapshot.
pub(crate) fn encode(identity: u64, runs: impl ExactSizeIterator<Item = Touched>) -> Result<Vec<u8>> {
    let mut file = room(HEADER as usize + runs.len() * RUN as usize + 8, runs.len())?;
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_be_bytes());
    file.extend_from_slice(&identity.to_be_bytes());
    file.extend_from_slice(&(runs.len() as u32).to_be_bytes());
    for run in runs {
        file.extend_from_slice(&(run.block as u32).to_be_bytes());
        file.extend_from_slice(&((run.bytes.end - run.bytes.start) as u32).to_be_bytes());
        file.extend_from_slice(&run.bytes.start.to_be_bytes());
    }
    let checksum = Checksum::of(&file);
    file.extend_from_slice(&checksum.to_be_bytes());
    Ok(file)
}

/// Reads the working set of a snapshot from a file, or says why it is none.
pub(crate) fn read(file: &Image, source: &dyn PageSource) -> Result<Vec<Touched>> {
    decode(file, source).map_err(|error| error.context(file.name()))
}

fn decode(file: &Image, source: &dyn PageSource) -> Result<Vec<Touched>> {
    let mut cursor = Cursor::new(file, 0);
    let magic: [u8; 8] = cursor.array("a working set")?;
    ensure!(magic == *MAGIC, EINVAL, "it is no working set: it starts with '{}'", magic.escape_ascii());
    let version = cursor.u32("the version")?;
    ensure!(version == VERSION, EINVAL, "the working set's version is {version}, not {VERSION}");
    let identity = cursor.u64("the snapshot's identity")?;
    let count = cursor.u32("the number of runs")? as usize;
    ensure!(count <= MOST_RUNS, EINVAL, "{count} runs are more than {MOST_RUNS}");
    let end = HEADER + count as u64 * RUN + 8;
    ensure!(file.length() == end, EINVAL, "it has {} bytes, and {count} runs take {end}", file.length());

    let mut bytes = room(end as usize, count)?;
    bytes.resize(end as usize, 0);
    file.read(0, &mut bytes)?;
    let (content, checksum) = bytes.split_at(bytes.len() - 8);
    ensure!(Checksum::of(content).to_be_bytes() == checksum, EINVAL, "it is damaged: its checksum is wrong");
    ensure!(
        identity == source.identity()?,
        ESTALE,
        "it is the working set of another snapshot than {}",
        source.info().name
    );
    let mut runs = room(count, count)?;
    for run in content[HEADER as usize..].chunks_exact(RUN as usize) {
        runs.push(decode_run(run, source)?);
    }
    check_overlaps(&runs)?;
    Ok(runs)
}

/// Refuses runs that overlap: a small file could ask for any amount of memory with them.
fn check_overlaps(runs: &[Touched]) -> Result<()> {
    let mut sorted = room(runs.len(), runs.len())?;
    sorted.extend(runs);
    sorted.sort_unstable_by_key(|run| (run.block, run.bytes.start));
    for pair in sorted.windows(2) {
        let [Touched { block, bytes }, Touched { block: behind, bytes: next }] = [pair[0], pair[1]];
        let overlap = block == behind && bytes.end > next.start;
        ensure!(!overlap, EINVAL, "its runs {bytes:#x?} and {next:#x?} of RAM block {block} overlap");
    }
    Ok(())
}

/// Room for so many items of a working set of so many runs.
fn room<T>(items: usize, runs: usize) -> Result<Vec<T>> {
    with_room(items, format_args!("a working set of {runs} runs"))
}

/// Takes a run apart, which lies inside of its block.
fn decode_run(run: &[u8], source: &dyn PageSource) -> Result<Touched> {
    let number = |range: Range<usize>| run[range].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let (block, length, start) = (number(0..4) as usize, number(4..8), number(8..16));
    let most = source.info().blocks.get(block).map_or(0, |block| block.length());
    let is_inside = start.checked_add(length).is_some_and(|end| end <= most);
    ensure!(
        is_inside && length > 0 && (start | length) % GRAIN == 0,
        EINVAL,
        "its run of {length:#x} bytes at offset {start:#x} of RAM block {block} is in no block"
    );
    Ok(Touched { block, bytes: start..start + length })
}
