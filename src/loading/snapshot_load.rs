//! A snapshot load: what its workers share, from the request to the record of its working set.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::config::LoadConfig;
use super::matching::match_blocks;
use super::notes::Notes;
use super::page_loader::Pages;
use super::pieces::by_units;
use super::unit_map::{Piece, UNIT, UnitMap};
use super::units::{Extent, Units};
use super::working_set::{self, Touched};
use crate::engine::{Engine, LogLevel};
use crate::error::{Error, Result, ensure, error};
use crate::kernel::{Maps, Replacement};
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
        let length = self.pages.source.info().blocks[self.pages.blocks[index]].length();
        let is_long_zero = |run: &Run| run.kind == Kind::Zero && run.length >= UNIT as u64;
        let zeros = self.pages.runs(index, 0..length).filter(|(_, run)| is_long_zero(run));
        zeros.map(|(at, run)| at as usize..(at + run.length) as usize).collect()
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
        match by_units(&self.units.map, self.replayed_pieces(engine)) {
            Ok(pieces) => self.units.put_first(pieces),
            Err(error) => ignore_replay(engine, &error),
        }
    }

    /// The working set of an earlier restore, as pages of our RAM blocks.
    fn replayed_pieces<'a>(&'a self, engine: &'a Engine) -> impl Iterator<Item = Piece> {
        let touched = self.replayed.get_or_init(|| {
            let Some(file) = self.replay.lock().take() else { return Vec::new() };
            let read = file.and_then(|file| working_set::read(&file, &*self.pages.source));
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
        // Where much of a unit was touched, it is recorded whole: so is it loaded, and the next restore has less to read.
        let all = by_units(&self.units.map, self.replayed_pieces(engine).chain(noted))?;
        let all = all.iter().take(working_set::MOST_RUNS).map(|piece| {
            let Range { start, end } = engine.block(piece.index).offsets_of(&piece.pages);
            Touched { block: self.pages.blocks[piece.index], bytes: start as u64..end as u64 }
        });
        record.commit(&working_set::encode(self.pages.source.identity()?, all)?)
    }
}

fn ignore_replay(engine: &Engine, error: &Error) {
    let message = format!("the working set cannot be replayed, and is ignored: {error}");
    engine.account().log(LogLevel::Warning, &message);
}
