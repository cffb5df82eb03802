//! An open snapshot: what it holds, and its pages.

use std::collections::HashSet;
use std::ops::Range;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use super::block::{GAP_AT_HAND, GAP_ON_DISK, Kind, Run, SnapshotBlock};
use super::checksum::Checksum;
use super::image::Image;
use super::{flat, mapped_ram};
use crate::error::{Result, ensure, error};
use crate::kernel::MappedFile;
use crate::kernel::file::{self, FileId};

/// How many samples of a block its identity takes, and how many bytes each; the smallest target page has as many.
const SAMPLES: u64 = 4;
const SAMPLE: usize = 512;

/// A snapshot of a machine's RAM: a mapped-ram file of QEMU, or a flat image with its description.
///
/// All of its structure is read and checked when it is opened and never changes; pages are read when they are needed.
#[derive(Debug)]
pub struct Snapshot {
    image: Image,
    blocks: Vec<SnapshotBlock>,
    /// Which bytes of the image are the snapshot's, and must stay as they are.
    own: Box<[Range<u64>]>,
    /// The files that it consists of.
    files: Vec<FileId>,
}

impl Snapshot {
    /// Opens the mapped-ram file, or the description of a flat image, at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Image::open(path)?;
        let mut start = [0; flat::MAGIC.len()];
        let known = start.len().min(usize::try_from(file.length()).unwrap_or(usize::MAX));
        file.read(0, &mut start[..known]).map_err(|error| error.context(file.name()))?;
        if start.starts_with(mapped_ram::MAGIC) {
            Self::mapped_ram(file, 0)
        } else if start == *flat::MAGIC {
            let parsed = flat::parse(&file, path).and_then(|(image, blocks)| {
                let own = blocks.iter().map(|block| block.pages_offset..block.pages_offset + block.length).collect();
                Self::new(image, blocks, own, Some(file.id()?))
            });
            parsed.map_err(|error| error.context(file.name()))
        } else {
            Err(error!(
                EINVAL,
                "{}: neither a migration stream of QEMU nor the description of a flat image: it starts with '{}'",
                file.name(),
                start[..known].escape_ascii()
            ))
        }
    }

    /// Opens a mapped-ram file by a descriptor, which is duplicated; the stream starts at `offset`.
    pub fn open_fd(descriptor: BorrowedFd<'_>, offset: u64) -> Result<Self> {
        Self::mapped_ram(Image::duplicate(descriptor)?, offset)
    }

    fn mapped_ram(image: Image, offset: u64) -> Result<Self> {
        let name = image.name().to_owned();
        // The devices' state follows the RAM.
        let own = std::iter::once(offset..u64::MAX).collect();
        let parsed = mapped_ram::parse(&image, offset).and_then(|blocks| Self::new(image, blocks, own, None));
        parsed.map_err(|error| error.context(name))
    }

    fn new(
        image: Image,
        blocks: Vec<SnapshotBlock>,
        own: Box<[Range<u64>]>,
        description: Option<FileId>,
    ) -> Result<Self> {
        ensure!(!blocks.is_empty(), EINVAL, "there is no RAM block in it");
        let mut names = HashSet::new();
        for idstr in blocks.iter().map(SnapshotBlock::idstr) {
            ensure!(names.insert(idstr), EINVAL, "there are two RAM blocks '{idstr}'");
        }
        let files = [image.id()?].into_iter().chain(description).collect();
        Ok(Self { image, blocks, own, files })
    }

    /// The RAM blocks, in the file's order.
    pub fn blocks(&self) -> &[SnapshotBlock] {
        &self.blocks
    }

    /// What messages call the snapshot: its path in quotes, or "descriptor N".
    pub(crate) fn name(&self) -> &str {
        self.image.name()
    }

    /// The file of its pages, to be found among mappings.
    pub(super) fn mapped_file(&self) -> Result<MappedFile> {
        MappedFile::new(self.image.descriptor()).map_err(|error| error.context(self.name()))
    }

    /// Whether bytes of the file of its pages are its own.
    pub(super) fn owns_bytes(&self, bytes: &Range<u64>) -> bool {
        self.own.iter().any(|own| own.start < bytes.end && bytes.start < own.end)
    }

    /// Where in the file of its pages a block lies.
    pub(super) fn pages_offset(&self, block: usize) -> u64 {
        self.blocks[block].pages_offset
    }

    /// Whether a file is one of its own.
    pub(super) fn owns_file(&self, file: FileId) -> bool {
        self.files.contains(&file)
    }

    /// What tells this snapshot from others, wherever its file lies: a checksum of its blocks, of which pages it holds of
    /// them, of samples of those, and of what lies behind them (where QEMU's file has the devices' state).
    pub(super) fn identity(&self) -> Result<u64> {
        let mut checksum = Checksum::new();
        let sample = |at: u64, end: u64| {
            let mut bytes = [0; SAMPLE];
            let bytes = &mut bytes[..end.saturating_sub(at).min(SAMPLE as u64) as usize];
            self.image.read(at, bytes).map(|()| Checksum::of(bytes)).map_err(|error| error.context(self.name()))
        };
        for block in &self.blocks {
            checksum.add(block.idstr.as_bytes());
            [block.length, block.page_size].into_iter().for_each(|number| checksum.add_number(number));
            block.data.words().iter().for_each(|word| checksum.add_number(*word));
            for number in 0..SAMPLES {
                let start = block.length / SAMPLES * number / block.page_size * block.page_size;
                let run = block.run(start, u64::MAX);
                let at = start + if run.kind == Kind::Data { 0 } else { run.length };
                if at < block.length {
                    let at = block.pages_offset + at;
                    checksum.add_number(sample(at, at + SAMPLE as u64)?);
                }
            }
        }
        let end = self.blocks.iter().map(|block| block.pages_offset + block.length).max().unwrap_or(0);
        checksum.add_number(sample(end, self.image.length())?);
        Ok(checksum.get())
    }

    /// What lies at byte `offset` of a block: at most `max` bytes, and no more than are of one kind. A run ends at a
    /// target page's end or where `max` or the block end it, and is empty only if `max` is 0.
    ///
    /// Panics when `offset` is not inside the block.
    pub(crate) fn run(&self, block: usize, offset: u64, max: u64) -> Run {
        self.blocks[block].run(offset, max)
    }

    /// What is worth reading at once: at most `max` bytes, in which no run of zeros is longer than `gap`; or zeros, not to be read
    /// at all. As [`Snapshot::run`].
    pub(crate) fn stretch(&self, block: usize, offset: u64, max: u64, gap: u64) -> Run {
        self.blocks[block].stretch(offset, max, gap)
    }

    /// Fills `length` bytes at `to` with the block's bytes from `offset` on, all of them or an error. What the file
    /// does not hold is zeros; its bytes there are stale, and never seen.
    ///
    /// # Safety
    /// `to` is valid for writes of `length` bytes, and nothing else accesses them meanwhile.
    pub(crate) unsafe fn read(&self, block: usize, offset: u64, to: *mut u8, length: usize) -> Result<()> {
        let source = &self.blocks[block];
        self.check_inside(source, offset, length)?;
        let read = |at, to, length| {
            // SAFETY: it is called with a part of the bytes that this function may write.
            unsafe { file::read_at(self.image.descriptor(), at, to, length) }.unwrap_or(0)
        };
        let is_one_run = length == 0 || source.run(offset, length as u64).length == length as u64;
        let mut done = if is_one_run {
            0
        } else {
            // SAFETY: this function's contract is the same.
            unsafe { self.read_prefix(block, offset, to, length, GAP_ON_DISK, read) }
        };
        // What is wrong with the file where it holds nothing of ours does not matter: now just what it holds, to see.
        while done < length {
            let (at, to) = (offset + done as u64, to.wrapping_add(done));
            let run = source.run(at, (length - done) as u64);
            // SAFETY: `done` is below `length`, and a run is not longer than what is left.
            unsafe {
                match run.kind {
                    Kind::Zero => to.write_bytes(0, run.length as usize),
                    Kind::Data => {
                        let read = self.image.read_raw(source.pages_offset + at, to, run.length as usize);
                        read.map_err(|error| {
                            error.context(format_args!("{}: RAM block '{}', offset {at:#x}", self.name(), source.idstr))
                        })?;
                    }
                }
            }
            done += run.length as usize;
        }
        Ok(())
    }

    /// The same with as many of these bytes, from the first on, as can be had without waiting for a disk; how many.
    ///
    /// # Safety
    /// As for [`Snapshot::read`].
    pub(crate) unsafe fn read_cached(&self, block: usize, offset: u64, to: *mut u8, length: usize) -> usize {
        let read = |at, to, length| {
            // SAFETY: it is called with a part of the bytes that this function may write.
            unsafe { file::read_cached(self.image.descriptor(), at, to, length) }
        };
        // SAFETY: this function's contract is the same.
        unsafe { self.read_prefix(block, offset, to, length, GAP_AT_HAND, read) }
    }

    /// The same with as many of these bytes, from the first on, as can be read past the page cache; how many. None where they
    /// have no addresses that suit a disk.
    ///
    /// # Safety
    /// As for [`Snapshot::read`].
    pub(crate) unsafe fn read_direct(
        &self,
        direct: BorrowedFd<'_>,
        block: usize,
        offset: u64,
        to: *mut u8,
        length: usize,
    ) -> usize {
        let read = |at, to, length| {
            // SAFETY: it is called with a part of the bytes that this function may write.
            unsafe { file::read_at(direct, at, to, length) }.unwrap_or(0)
        };
        // SAFETY: this function's contract is the same.
        unsafe { self.read_prefix(block, offset, to, length, GAP_ON_DISK, read) }
    }

    /// What [`Snapshot::read_direct`] reads from.
    pub(crate) fn open_direct(&self) -> Result<OwnedFd> {
        file::open_direct(self.image.descriptor()).map_err(|error| error.context(self.name()))
    }

    /// Whether the kernel does not tell this process what is in the page cache.
    pub(crate) fn hides_its_cache(&self) -> bool {
        file::hides_its_cache(self.image.descriptor())
    }

    /// Whether all that the file holds of `length` bytes of a block is known to be in the page cache.
    pub(crate) fn is_cached(&self, block: usize, offset: u64, length: usize) -> bool {
        let (source, end) = (&self.blocks[block], offset + length as u64);
        let mut at = offset;
        while at < end {
            let Run { length, kind } = source.stretch(at, end - at, GAP_AT_HAND);
            if kind == Kind::Data
                && !file::is_cached(self.image.descriptor(), source.pages_offset + at, length as usize)
            {
                return false;
            }
            at += length;
        }
        true
    }

    /// Fills as many of `length` bytes at `to` as `read` gives, which is given offsets in the file, and says how many those are;
    /// zeros up to `gap` are read along.
    ///
    /// # Safety
    /// As for [`Snapshot::read`]; `read` is called with a part of those bytes.
    unsafe fn read_prefix(
        &self,
        block: usize,
        offset: u64,
        to: *mut u8,
        length: usize,
        gap: u64,
        mut read: impl FnMut(u64, *mut u8, usize) -> usize,
    ) -> usize {
        let source = &self.blocks[block];
        if self.check_inside(source, offset, length).is_err() {
            return 0;
        }
        let mut done = 0;
        while done < length {
            let (at, left) = (offset + done as u64, (length - done) as u64);
            let to = to.wrapping_add(done);
            let stretch = source.stretch(at, left, gap);
            let length = stretch.length as usize;
            let read = if stretch.kind == Kind::Data { read(source.pages_offset + at, to, length) } else { length };
            // SAFETY: `done` is below `length`, and a stretch is not longer than what is left.
            unsafe { clear_zeros(source, at, to, read) };
            done += read;
            if read < length {
                break;
            }
        }
        done
    }

    fn check_inside(&self, source: &SnapshotBlock, offset: u64, length: usize) -> Result<()> {
        let inside = offset.checked_add(length as u64).is_some_and(|end| end <= source.length);
        ensure!(
            inside,
            EINVAL,
            "{}: RAM block '{}' has {:#x} bytes, {length:#x} at {offset:#x} are not inside",
            self.name(),
            source.idstr,
            source.length
        );
        Ok(())
    }
}

/// Clears what is zeros among `length` bytes at `to`, which are those of a block from `offset` on.
///
/// # Safety
/// `to` is valid for writes of `length` bytes, and nothing else accesses them meanwhile.
unsafe fn clear_zeros(source: &SnapshotBlock, offset: u64, to: *mut u8, length: usize) {
    let mut done = 0;
    while done < length {
        let run = source.run(offset + done as u64, (length - done) as u64);
        if run.kind == Kind::Zero {
            // SAFETY: `done` is below `length`, and the run is not longer than what is left.
            unsafe { to.wrapping_add(done).write_bytes(0, run.length as usize) };
        }
        done += run.length as usize;
    }
}
