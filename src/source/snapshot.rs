//! An open snapshot: a file of QEMU's mapped-ram, or a flat image with its description.

use std::collections::HashSet;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use super::checksum::Checksum;
use super::file_block::FileBlock;
use super::format::SnapshotFormat;
use super::image::Image;
use super::own_files::OwnFiles;
use super::page_source::{GAP_CACHED, GAP_ON_DISK, Kind, PageSource, Run, SnapshotBlock, SourceInfo, runs};
use super::{flat, mapped_ram};
use crate::error::{Result, ensure, error};
use crate::kernel::file::{self, FileId};

/// How many samples of a block its identity takes, and how many bytes each; the smallest target page has as many.
const SAMPLES: u64 = 4;
const SAMPLE: usize = 512;

/// A snapshot of a machine's RAM: a mapped-ram file of QEMU, or a flat image with its description.
///
/// All of its structure is read and checked when it is opened and never changes; pages are read when they are needed.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) image: Arc<Image>,
    blocks: Vec<FileBlock>,
    format: SnapshotFormat,
    /// Its name: its path in quotes, or "descriptor N".
    info: SourceInfo,
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
            let parsed = flat::parse(&file, path).and_then(|(image, format, blocks)| {
                let own = blocks.iter().map(|block| block.pages_offset..block.pages_offset + block.length).collect();
                Self::new(image, format, blocks, own, Some(file.id()?))
            });
            parsed.map_err(|error| error.context(file.name()))
        } else {
            Err(error!(
                EINVAL,
                "{}: neither a migration stream of QEMU nor the description of a flat image: it starts with '{}'{}",
                file.name(),
                start[..known].escape_ascii(),
                flat::hint(path, file.length())
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
        let parsed =
            mapped_ram::parse(&image, offset).and_then(|(format, blocks)| Self::new(image, format, blocks, own, None));
        parsed.map_err(|error| error.context(name))
    }

    fn new(
        image: Image,
        format: SnapshotFormat,
        blocks: Vec<FileBlock>,
        own: Box<[Range<u64>]>,
        description: Option<FileId>,
    ) -> Result<Self> {
        ensure!(!blocks.is_empty(), EINVAL, "there is no RAM block in it");
        let mut names = HashSet::new();
        for idstr in blocks.iter().map(|block| block.idstr.as_str()) {
            ensure!(names.insert(idstr), EINVAL, "there are two RAM blocks '{idstr}'");
        }
        let shown = blocks.iter().map(|block| SnapshotBlock {
            idstr: block.idstr.clone(),
            length: block.length,
            page_size: block.page_size,
            data_bytes: block.data.count() * block.page_size,
        });
        let ids = [image.id()?].into_iter().chain(description).collect();
        let (image, starts) = (Arc::new(image), blocks.iter().map(|block| block.pages_offset).collect());
        let files = OwnFiles { image: image.clone(), bytes: own, ids, starts };
        let info = SourceInfo { name: image.name().to_owned(), blocks: shown.collect(), files: Some(files) };
        Ok(Self { image, blocks, format, info })
    }

    /// The RAM blocks, in the file's order.
    pub fn blocks(&self) -> &[SnapshotBlock] {
        &self.info.blocks
    }

    /// What kind of file it is.
    pub fn format(&self) -> &SnapshotFormat {
        &self.format
    }

    /// The parts of a block, by its index, that the file holds, as offsets in the block, in their order. The rest is zeros.
    /// None of a block that there is not.
    pub fn data_runs(&self, block: usize) -> impl Iterator<Item = Range<u64>> {
        std::iter::successors(self.next_data(block, 0), move |run| self.next_data(block, run.end))
    }

    /// The next of these parts at or behind `offset`; if `offset` is inside of one, the rest of that. `None` if only zeros follow.
    pub fn next_data(&self, block: usize, offset: u64) -> Option<Range<u64>> {
        let block = self.blocks.get(block)?;
        let mut data =
            runs(offset..block.length, |at, max| block.run(at, max)).filter(|(_, run)| run.kind == Kind::Data);
        data.next().map(|(at, run)| at..at + run.length)
    }

    /// Where in the file, or in the flat image, the page at `offset` of a block lies, or would lie. `None` outside of the block.
    pub fn file_offset(&self, block: usize, offset: u64) -> Option<u64> {
        let block = self.blocks.get(block).filter(|block| block.contains(offset, 1))?;
        Some(block.pages_offset + offset)
    }

    /// Fills `to` with the bytes of a block, by its index, from `offset` on, zeros included: all of them, or an error.
    pub fn read(&self, block: usize, offset: u64, to: &mut [u8]) -> Result<()> {
        let count = self.blocks.len();
        ensure!(block < count, ENOENT, "{} has {count} RAM blocks, none has index {block}", self.info.name);
        PageSource::read(self, block, offset, to)
    }

    /// Whether all that the file holds of `length` bytes of a block is known to be in the page cache.
    pub(super) fn is_cached(&self, block: usize, offset: u64, length: usize) -> bool {
        let mut data = self.data(block, offset..offset + length as u64, GAP_CACHED);
        data.all(|(at, length)| file::is_cached(self.image.descriptor(), at, length as usize))
    }

    /// Where in the file the data of these bytes of a block lies, with zeros up to `gap`: offsets and lengths.
    fn data(&self, block: usize, bytes: Range<u64>, gap: u64) -> impl Iterator<Item = (u64, u64)> {
        let stretches = runs(bytes, move |at, max| self.stretch(block, at, max, gap));
        let data = stretches.filter(|(_, stretch)| stretch.kind == Kind::Data);
        data.map(move |(at, stretch)| (self.blocks[block].pages_offset + at, stretch.length))
    }

    /// Fills as much of `to`, from its start, as `read` gives, which is called with offsets in the file; how many bytes. Zeros up
    /// to `gap` are read along.
    pub(super) fn read_prefix(
        &self,
        block: usize,
        offset: u64,
        to: &mut [u8],
        gap: u64,
        read: impl Fn(u64, &mut [u8]) -> usize,
    ) -> usize {
        let source = &self.blocks[block];
        if !source.contains(offset, to.len()) {
            return 0;
        }
        let mut done = 0;
        while done < to.len() {
            let at = offset + done as u64;
            let stretch = self.stretch(block, at, (to.len() - done) as u64, gap);
            let length = stretch.length as usize;
            let part = &mut to[done..done + length];
            let read = if stretch.kind == Kind::Data { read(source.pages_offset + at, part) } else { length };
            clear_zeros(source, at, &mut part[..read]);
            done += read;
            if read < length {
                break;
            }
        }
        done
    }

    /// Fills `to` with a run of one kind, all of it or an error.
    fn read_run(&self, source: &FileBlock, offset: u64, kind: Kind, to: &mut [u8]) -> Result<()> {
        match kind {
            Kind::Zero => to.fill(0),
            Kind::Data => self.image.read(source.pages_offset + offset, to).map_err(|error| {
                error.context(format_args!("{}: RAM block '{}', offset {offset:#x}", self.info.name, source.idstr))
            })?,
        }
        Ok(())
    }
}

impl PageSource for Snapshot {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    /// A run ends at a target page's end, or where `max` or the block end it.
    fn run(&self, block: usize, offset: u64, max: u64) -> Run {
        self.blocks[block].run(offset, max)
    }

    /// What the file does not hold is zeros; its bytes there are stale, and never seen.
    fn read(&self, block: usize, offset: u64, to: &mut [u8]) -> Result<()> {
        let source = &self.blocks[block];
        ensure!(
            source.contains(offset, to.len()),
            EINVAL,
            "{}: RAM block '{}' has {:#x} bytes, {:#x} at {offset:#x} are not inside",
            self.info.name,
            source.idstr,
            source.length,
            to.len()
        );
        if to.is_empty() {
            return Ok(());
        }
        let first = source.run(offset, to.len() as u64);
        if first.length == to.len() as u64 {
            return self.read_run(source, offset, first.kind, to);
        }
        // All at once. Where that fails, the file may be wrong where it holds nothing of ours, which does not matter: then just
        // what it holds, to see.
        let read = |at, to: &mut [u8]| file::read_at(self.image.descriptor(), at, to).unwrap_or(0);
        let start = offset + self.read_prefix(block, offset, to, GAP_ON_DISK, read) as u64;
        for (at, run) in runs(start..offset + to.len() as u64, |at, max| source.run(at, max)) {
            let part = &mut to[(at - offset) as usize..][..run.length as usize];
            self.read_run(source, at, run.kind, part)?;
        }
        Ok(())
    }

    fn read_cached(&self, block: usize, offset: u64, to: &mut [u8]) -> usize {
        let read = |at, to: &mut [u8]| self.image.read_cached(at, to);
        self.read_prefix(block, offset, to, GAP_CACHED, read)
    }

    /// A read alone would have the kernel ask the disk for a small part after the other.
    fn prefetch(&self, block: usize, offset: u64, length: u64) {
        let data = self.data(block, offset..offset + length, GAP_ON_DISK);
        data.for_each(|(at, length)| file::prefetch(self.image.descriptor(), at, length));
    }

    /// A checksum of its blocks, of which pages it holds of them, of samples of those, and of what lies behind them (where
    /// QEMU's file has the devices' state). It does not depend on where the file lies.
    fn identity(&self) -> Result<u64> {
        let mut checksum = Checksum::new();
        let sample = |at: u64, end: u64| {
            let mut bytes = [0; SAMPLE];
            let bytes = &mut bytes[..end.saturating_sub(at).min(SAMPLE as u64) as usize];
            self.image.read(at, bytes).map(|()| Checksum::of(bytes)).map_err(|error| error.context(&self.info.name))
        };
        // All at once: a source that is slow to answer is waited for once, and not for each.
        let samples = self.blocks.iter().flat_map(samples_of);
        samples.for_each(|at| file::prefetch(self.image.descriptor(), at, SAMPLE as u64));
        for block in &self.blocks {
            checksum.add(block.idstr.as_bytes());
            [block.length, block.page_size].into_iter().for_each(|number| checksum.add_number(number));
            block.data.words().iter().for_each(|word| checksum.add_number(*word));
            for at in samples_of(block) {
                checksum.add_number(sample(at, at + SAMPLE as u64)?);
            }
        }
        let end = self.blocks.iter().map(|block| block.pages_offset + block.length).max().unwrap_or(0);
        checksum.add_number(sample(end, self.image.length())?);
        Ok(checksum.get())
    }
}

/// Where in the file the samples of a block are, which are of data.
fn samples_of(block: &FileBlock) -> impl Iterator<Item = u64> {
    (0..SAMPLES).filter_map(|number| {
        let start = block.length / SAMPLES * number / block.page_size * block.page_size;
        let run = block.run(start, u64::MAX);
        let at = start + if run.kind == Kind::Data { 0 } else { run.length };
        (at < block.length).then_some(block.pages_offset + at)
    })
}

/// Clears what is zeros among these bytes, which are those of a block from `offset` on.
fn clear_zeros(source: &FileBlock, offset: u64, bytes: &mut [u8]) {
    for (at, run) in runs(offset..offset + bytes.len() as u64, |at, max| source.run(at, max)) {
        if run.kind == Kind::Zero {
            bytes[(at - offset) as usize..][..run.length as usize].fill(0);
        }
    }
}
