//! Working sets: which pages a restore faulted on, in order, kept in a small file for the next restore to load first.
//!
//! The file, numbers big-endian: "UFFDWSET", version u32 = 1, identity of the snapshot u64, number of runs u32, then for
//! each run: index of the RAM block in the snapshot u32, length u32 and offset u64 in bytes; at last a checksum u64 of all
//! before. No two runs overlap, so that all of them are no more than the RAM. A file that is damaged, or is of another snapshot,
//! costs time at worst: it only says what to load first.

use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result, ensure, error, with_room};
use crate::source::checksum::Checksum;
use crate::source::cursor::Cursor;
use crate::source::image::Image;
use crate::source::{PageSource, Snapshot};

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
pub struct Touched {
    /// The block's index in the snapshot.
    pub block: usize,
    /// Offsets in the block.
    pub bytes: Range<u64>,
}

impl Touched {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }
}

/// The file of a working set: which parts of the RAM a restore has touched, in order.
#[derive(Debug)]
pub struct WorkingSet {
    /// What messages call it.
    name: String,
    /// That of its snapshot.
    identity: u64,
    runs: Vec<Touched>,
}

impl WorkingSet {
    /// Reads the file at `path`, or says why it holds no working set.
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(&Image::open(path)?)
    }

    pub(crate) fn read(file: &Image) -> Result<Self> {
        let name = file.name().to_owned();
        let decoded = decode(file).map_err(|error| error.context(&name));
        decoded.map(|(identity, runs)| Self { name, identity, runs })
    }

    /// What was touched, in order. No two runs overlap.
    pub fn runs(&self) -> &[Touched] {
        &self.runs
    }

    /// Fails with `ESTALE` if the set was not recorded in a restore of this snapshot.
    pub fn check(&self, snapshot: &Snapshot) -> Result<()> {
        self.check_source(snapshot)
    }

    /// The runs, if they are of this source.
    pub(crate) fn of(self, source: &dyn PageSource) -> Result<Vec<Touched>> {
        self.check_source(source)?;
        Ok(self.runs)
    }

    fn check_source(&self, source: &dyn PageSource) -> Result<()> {
        let check = || {
            let name = &source.info().name;
            ensure!(
                self.identity == source.identity()?,
                ESTALE,
                "it is the working set of another snapshot than {name}"
            );
            self.runs.iter().try_for_each(|run| check_place(run, source))
        };
        check().map_err(|error| error.context(&self.name))
    }
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
        file.extend_from_slice(&(run.length() as u32).to_be_bytes());
        file.extend_from_slice(&run.bytes.start.to_be_bytes());
    }
    let checksum = Checksum::of(&file);
    file.extend_from_slice(&checksum.to_be_bytes());
    Ok(file)
}

/// The identity of the snapshot, and the runs.
fn decode(file: &Image) -> Result<(u64, Vec<Touched>)> {
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
    let mut runs = room(count, count)?;
    for run in content[HEADER as usize..].chunks_exact(RUN as usize) {
        runs.push(decode_run(run)?);
    }
    check_overlaps(&runs)?;
    Ok((identity, runs))
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

/// Takes a run apart.
fn decode_run(run: &[u8]) -> Result<Touched> {
    let number = |range: Range<usize>| run[range].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let (block, length, start) = (number(0..4) as usize, number(4..8), number(8..16));
    let end = start.checked_add(length).filter(|_| length > 0 && (start | length) % GRAIN == 0);
    let end = end.ok_or_else(|| not_inside(block, start, length))?;
    Ok(Touched { block, bytes: start..end })
}

fn check_place(run: &Touched, source: &dyn PageSource) -> Result<()> {
    let most = source.info().blocks.get(run.block).map_or(0, |block| block.length());
    if run.bytes.end > most { Err(not_inside(run.block, run.bytes.start, run.length())) } else { Ok(()) }
}

fn not_inside(block: usize, start: u64, length: u64) -> Error {
    error!(EINVAL, "its run of {length:#x} bytes at offset {start:#x} of RAM block {block} is in no block")
}
