//! A RAM block as a snapshot's file holds it: which of its pages are in the file, and where.

use super::data_pages::DataPages;
use super::page_source::{Kind, Run};
use crate::error::{Result, ensure};

/// A RAM block in a file.
#[derive(Debug)]
pub(super) struct FileBlock {
    pub idstr: String,
    /// Not 0, and a multiple of `page_size`.
    pub length: u64,
    /// A power of two.
    pub page_size: u64,
    /// Where in the file the first page is, or would be; the others follow it. All of them end below 2^64.
    pub pages_offset: u64,
    pub data: DataPages,
}

impl FileBlock {
    /// See [`PageSource::run`](super::PageSource::run).
    pub fn run(&self, offset: u64, max: u64) -> Run {
        let end = offset.saturating_add(max).min(self.length);
        // Each fault comes here, and a division takes longer.
        let shift = self.page_size.trailing_zeros();
        let (first, behind) = (offset >> shift, (end.saturating_sub(1) >> shift) + 1);
        let kind = if self.data.contains(first) { Kind::Data } else { Kind::Zero };
        let last = self.data.end_of_run(first..behind.max(first + 1));
        Run { length: end.min(last << shift) - offset, kind }
    }

    /// Whether `length` bytes at `offset` lie inside of the block.
    pub fn contains(&self, offset: u64, length: usize) -> bool {
        offset.checked_add(length as u64).is_some_and(|end| end <= self.length)
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
