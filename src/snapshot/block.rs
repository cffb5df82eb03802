//! A RAM block as a snapshot holds it: which of its pages are in the file, and where.

use super::data_pages::DataPages;
use crate::error::{Result, ensure};

/// A RAM block of a [`Snapshot`](super::Snapshot).
#[derive(Debug)]
pub struct SnapshotBlock {
    pub(super) idstr: String,
    /// Not 0, and a multiple of `page_size`.
    pub(super) length: u64,
    pub(super) page_size: u64,
    /// Where in the file the first page is, or would be; the others follow it. All of them end below 2^64.
    pub(super) pages_offset: u64,
    pub(super) data: DataPages,
}

/// Bytes of a block that are all of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) length: u64,
    pub(crate) kind: Kind,
}

/// What a run consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pages that the file holds.
    Data,
    /// Pages of zeros, which it does not hold.
    Zero,
}

/// Zeros up to so many bytes are read along with data: copying them from the page cache costs less than one more call, ...
pub(super) const GAP_AT_HAND: u64 = 16 << 10;

/// ... and reading them from a disk less than one more access to it, or than an end of its reading ahead.
pub(super) const GAP_ON_DISK: u64 = 256 << 10;

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
        self.data.count() * self.page_size
    }

    /// What lies at byte `offset`, which is inside the block: at most `max` bytes, and no more than are of one kind.
    pub(super) fn run(&self, offset: u64, max: u64) -> Run {
        let end = offset.saturating_add(max).min(self.length);
        let first = offset / self.page_size;
        let kind = if self.data.contains(first) { Kind::Data } else { Kind::Zero };
        let last = self.data.end_of_run(first..end.div_ceil(self.page_size).max(first + 1));
        Run { length: end.min(last * self.page_size) - offset, kind }
    }

    /// What is worth reading at once at byte `offset`, which is inside the block: at most `max` bytes, in which no run of zeros is
    /// longer than `gap`; or zeros, not to be read at all.
    pub(super) fn stretch(&self, offset: u64, max: u64, gap: u64) -> Run {
        let end = offset.saturating_add(max).min(self.length);
        let first = self.run(offset, max);
        let mut at = offset + first.length;
        if first.kind == Kind::Zero && (first.length > gap || at == end) {
            return first;
        }
        while at < end {
            let run = self.run(at, end - at);
            if run.kind == Kind::Zero && run.length > gap {
                break;
            }
            at += run.length;
        }
        Run { length: at - offset, kind: Kind::Data }
    }
}

/// Refuses names that no RAM block can have here: they have to fit a length byte and a C string.
pub(super) fn check_idstr(idstr: &str) -> Result<()> {
    ensure!(!idstr.is_empty(), EINVAL, "a RAM block has no name");
    let shown = idstr.escape_debug();
    ensure!(idstr.len() <= 255, EINVAL, "the RAM block name '{shown}' is longer than 255 bytes");
    ensure!(!idstr.contains('\0'), EINVAL, "the RAM block name '{shown}' has a NUL in it");
    // Names go into messages, and these into logs and terminals.
    ensure!(!idstr.contains(char::is_control), EINVAL, "the RAM block name '{shown}' has a control character in it");
    Ok(())
}
