//! A snapshot load: what its workers share, from the request to the record of its working set.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, OnceLock};

use super::config::LoadConfig;
use super::mapped::{MappedBlocks, add_touched};
use super::matching::match_blocks;
use super::notes::Notes;
use super::page_loader::Pages;
use super::pieces::by_units;
use super::unit_map::{Piece, UNIT, UnitMap};
use super::units::{Extent, Units};
use super::working_set::{self, Touched, WorkingSet};
use crate::engine::{Engine, LogLevel};
use crate::error::{Error, Result, ensure, error};
use crate::kernel::{Maps, PageMap, Replacement};
use crate::memory::BlockTable;
use crate::source::image::Image;
use crate::source::{Kind, MappedImage, PageSource, Run};
use crate::sync::Mutex;

/// What a caller asks for, before the RAM blocks are known. The files are open: the process may go to another directory.
pub(crate) struct LoadRequest {
    source: Arc<dyn PageSource>,
    config: LoadConfig,
    /// The file of a working set of an earlier restore, or why it could not be opened.
    replay: Option<Result<Image>>,
    record: Option<Replacement>,
}

/// A load under way, matched with the RAM blocks.
pub(crate) struct SnapshotLoad {
    pub(super) pages: Arc<Pages>,
    pub(super) units: Units,
    pub(super) mapped: MappedBlocks,
    pub config: LoadConfig,
    /// What to load in the background.
    pub(super) extent: Option<Extent>,
    /// See [`LoadRequest`]; until it is read.
    replay: Mutex<Option<Result<Image>>>,
    /// The working set of an earlier restore, once it has been read.
    replayed: OnceLock<Vec<Touched>>,
    record: Mutex<Option<Replacement>>,
    /// What fault threads that have ended have noted.
    pub(super) notes: Mutex<Notes>,
}

impl LoadRequest {
    pub fn new(source: Arc<dyn PageSource>, config: &LoadConfig) -> Result<Self> {
        let may_go = |file| {
            let is_own = source.info().files.as_ref().is_some_and(|files| files.has(file));
            ensure!(!is_own, EINVAL, "it is a file of the snapshot {}", source.info().name);
            Ok(())
        };
        let record = config.working_set_record.as_deref().map(|path| Replacement::new(path, may_go)).transpose();
        let record = record.map_err(|error| error.context("recording the working set"))?;
        let replay = config.working_set_replay.as_deref().map(Image::open);
        Ok(Self { source, config: config.clone(), replay, record })
    }

    /// Checks that the RAM fits, before anything is changed.
    pub fn prepare(self, table: &BlockTable) -> Result<Arc<SnapshotLoad>> {
        let Self { source, config, replay, record } = self;
        let blocks = match_blocks(source.info(), table)?;
        let (scans_for_zeros, fetches_ahead) = (config.zero_scan, !config.direct_io);
        let room = table.largest_page_size().max(UNIT);
        let extent = match (config.background, &config.working_set_replay) {
            (true, _) => Some(Extent::All),
            (false, Some(_)) => Some(Extent::WorkingSet),
            (false, None) => None,
        };
        Ok(Arc::new(SnapshotLoad {
            pages: Arc::new(Pages { source, blocks, scans_for_zeros, fetches_ahead, room }),
            units: Units::new(UnitMap::new(table))?,
            mapped: MappedBlocks::default(),
            config,
            extent,
            replay: Mutex::new(replay),
            replayed: OnceLock::new(),
            record: Mutex::new(record),
            notes: Mutex::default(),
        }))
    }
}

impl SnapshotLoad {
    /// Bytes of the RAM block with this index that are zeros, in ascending order: the runs of a unit or more.
    pub fn long_zero_runs(&self, index: usize) -> Vec<Range<usize>> {
        let is_long_zero = |run: &Run| run.kind == Kind::Zero && run.length >= UNIT as u64;
        let zeros = self.pages.runs(index, self.pages.all(index)).filter(|(_, run)| is_long_zero(run));
        zeros.map(|(at, run)| at as usize..(at + run.length) as usize).collect()
    }

    /// Bytes of the RAM block with this index that are data, in ascending order.
    pub fn data_runs(&self, index: usize) -> impl Iterator<Item = Range<usize>> {
        self.pages.data(index, self.pages.all(index))
    }

    /// The snapshot's file, and where in it a RAM block starts, if it can be mapped in pages of that size.
    pub fn place_in_file(&self, index: usize, page_size: u64) -> Result<(BorrowedFd<'_>, u64)> {
        let (number, info) = (self.pages.blocks[index], self.pages.source.info());
        let files = info.files.as_ref().ok_or_else(|| error!(EOPNOTSUPP, "the snapshot is not in a file"))?;
        let (block, start) = (&info.blocks[number], files.starts[number]);
        ensure!(
            start % page_size == 0 && block.page_size() % page_size == 0,
            EOPNOTSUPP,
            "the file has it at offset {start:#x} in pages of {} bytes: only whole pages of {page_size} bytes can be mapped",
            block.page_size()
        );
        ensure!(
            start + block.length() <= files.image.length(),
            EOPNOTSUPP,
            "the file ends at {:#x}, before the block does",
            files.image.length()
        );
        Ok((files.image.descriptor(), start))
    }

    /// These RAM blocks are mapped from the file; once, before any thread loads.
    pub fn set_mapped(&self, are_mapped: Box<[bool]>) {
        (0..are_mapped.len()).filter(|index| are_mapped[*index]).for_each(|index| self.units.leave_out(index));
        self.mapped.set(are_mapped);
    }

    /// How many bytes of RAM are mapped from the file.
    pub fn bytes_mapped(&self) -> u64 {
        let blocks = self.pages.blocks.iter().enumerate().filter(|(index, _)| self.mapped.has(*index));
        blocks.map(|(_, number)| self.pages.source.info().blocks[*number].data_bytes()).sum()
    }

    /// Whether there is something to read ahead of blocks that are mapped.
    pub fn reads_ahead(&self) -> bool {
        self.mapped.any() && self.config.working_set_replay.is_some()
    }

    /// The source's image as this process maps it, to be asked for before the list of mappings is read.
    pub fn mapped_image(&self) -> Result<Option<MappedImage<'_>>> {
        self.pages.source.info().files.as_ref().map(|files| files.mapped_image()).transpose()
    }

    /// Refuses RAM that is mapped from where its pages are read: loading it would destroy them.
    pub fn check_apart(&self, image: &MappedImage<'_>, table: &BlockTable, maps: &Maps) -> Result<()> {
        for (block, source) in table.blocks().iter().zip(&self.pages.blocks) {
            let is_mapped = image.is_mapped_at(block.host(), block.length(), *source, self.config.keep_present, maps);
            ensure!(
                !is_mapped,
                EINVAL,
                "{block} is a mapping of the snapshot {} itself, which loading would destroy: load into other memory",
                self.pages.source.info().name
            );
        }
        Ok(())
    }

    /// Puts the working set of an earlier restore first, if there is one that can be used. Returns once that is done, whichever thread
    /// does it.
    pub(super) fn replay(&self, engine: &Engine) {
        let pieces = by_units(&self.units.map, self.replayed_pieces(engine));
        let pieces = pieces.map_err(|error| ignore_replay(engine, &error)).unwrap_or_default();
        let (mapped, copied) = pieces.into_iter().partition(|piece| self.mapped.has(piece.index));
        self.units.put_first(copied);
        if self.mapped.put(mapped) && self.reads_ahead() {
            engine.account().release_completion();
        }
    }

    /// The working set of an earlier restore, as pages of our RAM blocks.
    fn replayed_pieces<'a>(&'a self, engine: &'a Engine) -> impl Iterator<Item = Piece> {
        let touched = self.replayed.get_or_init(|| {
            let Some(file) = self.replay.lock().take() else { return Vec::new() };
            let read = file.and_then(|file| WorkingSet::read(&file)?.of(&*self.pages.source));
            read.map_err(|error| ignore_replay(engine, &error)).unwrap_or_default()
        });
        touched.iter().map(|touched| {
            let index = self.pages.blocks.iter().position(|source| *source == touched.block);
            let index = index.expect("both sides have the same blocks");
            let block = engine.block(index);
            let (first, last) = (touched.bytes.start as usize, touched.bytes.end as usize - 1);
            Piece { index, pages: block.page_of(first)..block.page_of(last) + 1 }
        })
    }

    /// All threads have ended, and the RAM is about to be unregistered: writes the record of the working set.
    pub fn finish(&self, engine: &Engine) {
        let Some(record) = self.record.lock().take() else { return };
        if let Err(error) = self.write_record(engine, record) {
            engine.account().log(LogLevel::Error, &format!("the working set was not recorded: {error}"));
        }
    }

    fn write_record(&self, engine: &Engine, record: Replacement) -> Result<()> {
        let notes = std::mem::take(&mut *self.notes.lock()).in_order();
        let notes = notes.ok_or_else(|| error!(ENOMEM, "there was no memory to note all pages"))?;
        let noted = notes.into_iter().map(|note| note.piece);
        let mapped = self.touched_of_mapped(engine)?;
        // Where much of a unit was touched, it is recorded whole: so is it loaded, and the next restore has less to read.
        let all = by_units(&self.units.map, self.replayed_pieces(engine).chain(noted).chain(mapped))?;
        let all = all.iter().take(working_set::MOST_RUNS).map(|piece| {
            let Range { start, end } = engine.block(piece.index).offsets_of(&piece.pages);
            Touched { block: self.pages.blocks[piece.index], bytes: start as u64..end as u64 }
        });
        record.commit(&working_set::encode(self.pages.source.identity()?, all)?)
    }

    /// What was touched of the blocks that are mapped.
    fn touched_of_mapped(&self, engine: &Engine) -> Result<Vec<Piece>> {
        let mut touched = Vec::new();
        if self.mapped.any() {
            let page_map = PageMap::open().map_err(|error| Error::io(&error, "opening /proc/thread-self/pagemap"))?;
            for index in (0..self.pages.blocks.len()).filter(|index| self.mapped.has(*index)) {
                if !engine.block(index).is_removed() {
                    add_touched(&page_map, engine, index, self.data_runs(index), &mut touched)?;
                }
            }
        }
        Ok(touched)
    }
}

fn ignore_replay(engine: &Engine, error: &Error) {
    let message = format!("the working set cannot be replayed, and is ignored: {error}");
    engine.account().log(LogLevel::Warning, &message);
}
