//! What a source of pages has to answer: which RAM blocks it holds, which parts of them are data, and the bytes.

use std::ops::Range;

use super::own_files::OwnFiles;
use crate::error::Result;

/// A source of pages: a snapshot's file, and later others (compressed, remote, in layers).
///
/// It knows nothing of faults, threads and placing. Many threads call it at once. Offsets and lengths are in bytes, and a caller
/// stays inside of a block.
pub(crate) trait PageSource: Send + Sync {
    /// What is known of it without reading pages.
    fn info(&self) -> &SourceInfo;

    /// What lies at `offset`: at most `max` bytes, and no more than are of one kind. Empty only if `max` is 0.
    fn run(&self, block: usize, offset: u64, max: u64) -> Run;

    /// Fills `to` with the bytes from `offset` on, zeros included: all of it, or an error. May wait as long as it takes.
    fn read(&self, block: usize, offset: u64, to: &mut [u8]) -> Result<()>;

    /// Fills as much of `to`, from its start, as is there without waiting for a disk or a network; how many bytes. A source that
    /// can, begins to fetch the rest.
    fn read_cached(&self, block: usize, offset: u64, to: &mut [u8]) -> usize;

    /// Begins to fetch bytes that are going to be read, and does not wait for them. Nothing, where that is no gain.
    fn prefetch(&self, _block: usize, _offset: u64, _length: u64) {}

    /// A number that differs for different contents: a working set holds for one content only.
    fn identity(&self) -> Result<u64>;

    /// What is worth reading in one go at `offset`: at most `max` bytes, in which no run of zeros is longer than `gap`; or
    /// zeros, which need not be read.
    fn stretch(&self, block: usize, offset: u64, max: u64, gap: u64) -> Run {
        let end = offset.saturating_add(max).min(self.info().blocks[block].length);
        let first = self.run(block, offset, end - offset);
        let behind = offset + first.length;
        if first.kind == Kind::Zero && (first.length > gap || behind == end) {
            return first;
        }
        let more = runs(behind..end, |at, max| self.run(block, at, max)).map(|(_, run)| run);
        let more = more.take_while(|run| run.kind == Kind::Data || run.length <= gap).map(|run| run.length);
        Run { length: first.length + more.sum::<u64>(), kind: Kind::Data }
    }
}

/// What is known of a source without reading pages. It never changes.
#[derive(Debug)]
pub(crate) struct SourceInfo {
    /// What messages call it.
    pub name: String,
    /// The RAM blocks that it holds; the methods of a source number them in this order.
    pub blocks: Vec<SnapshotBlock>,
    /// The files of this host that it reads, which a load must not destroy.
    pub files: Option<OwnFiles>,
}

/// A RAM block as a source holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotBlock {
    pub(crate) idstr: String,
    /// Not 0, and a multiple of `page_size`.
    pub(crate) length: u64,
    pub(crate) page_size: u64,
    pub(crate) data_bytes: u64,
}

impl SnapshotBlock {
    /// The block's name.
    pub fn idstr(&self) -> &str {
        &self.idstr
    }

    /// Bytes of RAM.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The size of the pages in the file: the machine's target page size.
    pub fn page_size(&self) -> u64 {
        self.page_size
    }

    /// How many bytes of the block the file holds; the rest is zeros.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }
}

/// Bytes of a block that are all of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub length: u64,
    pub kind: Kind,
}

/// What a run consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pages that the source holds.
    Data,
    /// Pages of zeros, which it does not hold.
    Zero,
}

/// Runs of zeros up to this length are read along with data from the page cache: copying them costs less than one more call.
pub(crate) const GAP_CACHED: u64 = 16 << 10;

/// Runs of zeros up to this length are read along with data from a disk: they cost less than one more access to it.
pub(crate) const GAP_ON_DISK: u64 = 256 << 10;

/// The runs that bytes of a block consist of, each with its offset; `run` is [`PageSource::run`] for that block.
pub(crate) fn runs(bytes: Range<u64>, run: impl Fn(u64, u64) -> Run) -> impl Iterator<Item = (u64, Run)> {
    let Range { start: mut at, end } = bytes;
    std::iter::from_fn(move || {
        let run = (at < end).then(|| run(at, end - at))?;
        at += run.length;
        Some((at - run.length, run))
    })
}
