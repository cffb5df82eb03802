//! Restoring RAM from a snapshot: pages on demand, and the rest in the background.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::around::Around;
use super::file::Snapshot;
use super::image::Image;
use super::loader;
use super::order::{Extent, Order, Piece};
use super::pages::Pages;
use super::recorder::Recorder;
use super::working_set::{self, Touched};
use crate::error::{Error, Result, ensure, error};
use crate::incoming::{Config, Engine, Fault, Incoming, Load, LogLevel, NO_BLOCK, PageHandler, Plan};
use crate::kernel::{FileRange, MappedFile, Maps, Replacement};
use crate::memory::{BlockTable, RamBlock};

/// How to restore RAM.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Do not empty the RAM first: pages that are present win over the snapshot's.
    pub keep_present: bool,
    /// Load what nobody asks for, too.
    pub background: bool,
    /// Read what is not in the page cache past it, and leave it out of that: faster from a disk, for a snapshot that is not
    /// restored again soon.
    pub direct_io: bool,
    /// Look for pages of zeros among what the snapshot holds as data: they are placed as zeros, which take no memory.
    pub zero_scan: bool,
    /// Make no huge pages, also where the RAM asks for them: pages are copied, and none is moved (UFFDIO_MOVE).
    pub no_huge_pages: bool,
    /// How many threads load in the background. 0: one.
    pub loader_threads: u32,
    /// How many temporary pages to allocate for the caller's own use. 0: one.
    pub channels: u32,
    /// The file in which to keep which pages were faulted on, in order: written by the clean-up, or abort. What was
    /// replayed comes first in it.
    pub working_set_record: Option<PathBuf>,
    /// The file of an earlier restore of the same snapshot, whose pages are to be loaded first; without `background`,
    /// nothing else is loaded in the background. A file that cannot be used is reported and ignored.
    pub working_set_replay: Option<PathBuf>,
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self {
            keep_present: false,
            background: true,
            direct_io: false,
            zero_scan: true,
            no_huge_pages: false,
            loader_threads: 0,
            channels: 0,
            working_set_record: None,
            working_set_replay: None,
        }
    }
}

/// Empties the RAM, arms the incoming side with the snapshot as the source of pages, and starts loading. Returns before
/// all is loaded: see [`Incoming::wait`].
///
/// The blocks are matched by name, and both sides must have the same ones with the same lengths, or nothing is changed.
pub fn load(incoming: &Arc<Incoming>, snapshot: &Arc<Snapshot>, config: &LoadConfig) -> Result<()> {
    ensure!(
        config.loader_threads <= Config::MOST_THREADS,
        EINVAL,
        "{} loader threads are more than {}",
        config.loader_threads,
        Config::MOST_THREADS
    );
    let extent = match (config.background, &config.working_set_replay) {
        (true, _) => Some(Extent::All),
        (false, Some(_)) => Some(Extent::WorkingSet),
        (false, None) => None,
    };
    let may_go = |file| {
        ensure!(!snapshot.owns_file(file), EINVAL, "it is a file of the snapshot {}", snapshot.name());
        Ok(())
    };
    let record = config.working_set_record.as_deref().map(|path| Replacement::new(path, may_go)).transpose();
    let record = record.map_err(|error| error.context("recording the working set"))?;
    // Here, not where it is read: the process may go to another directory.
    let replay = config.working_set_replay.as_deref().map(Image::open);
    if config.direct_io && snapshot.hides_its_cache() {
        let message = format!(
            "all of {} is read from its disk (UFFD_LOAD_DIRECT_IO), also what is in the page cache: the kernel tells that only to \
             the owner of a file, and to those who may write to it",
            snapshot.name()
        );
        incoming.log(LogLevel::Warning, &message);
    }
    let load = Arc::new(SnapshotLoad {
        snapshot: snapshot.clone(),
        keep_present: config.keep_present,
        direct_io: config.direct_io,
        zero_scan: config.zero_scan,
        no_huge_pages: config.no_huge_pages,
        extent,
        threads: config.loader_threads.max(1) as usize,
        replay: Mutex::new(replay),
        replayed: OnceLock::new(),
        recorder: record.is_some().then(Recorder::new),
        record: Mutex::new(record),
        prepared: OnceLock::new(),
    });
    // Blocktime is kept if the configuration asks for it.
    let plan = Plan { blocktime: true, load: Some(load.clone()), ..Plan::new(load, config.channels.max(1)) };
    incoming.arm(|_| Ok(plan))
}

/// A load under way.
struct SnapshotLoad {
    snapshot: Arc<Snapshot>,
    keep_present: bool,
    direct_io: bool,
    zero_scan: bool,
    no_huge_pages: bool,
    /// What to load in the background.
    extent: Option<Extent>,
    threads: usize,
    /// The file of a working set of an earlier restore, until it is read.
    replay: Mutex<Option<Result<Image>>>,
    /// The working set of an earlier restore, once it has been read.
    replayed: OnceLock<Vec<Touched>>,
    recorder: Option<Recorder>,
    record: Mutex<Option<Replacement>>,
    /// What depends on the RAM blocks.
    prepared: OnceLock<Prepared>,
}

struct Prepared {
    pages: Pages,
    order: Order,
    /// For each fault thread.
    around: Box<[Around]>,
    file: MappedFile,
}

impl SnapshotLoad {
    fn prepared(&self) -> Result<&Prepared> {
        self.prepared.get().ok_or_else(|| error!(ENOTRECOVERABLE, "a load was not prepared"))
    }

    /// The working set of an earlier restore; nothing, if there is none that can be used.
    fn replayed(&self, engine: &Engine) -> &[Touched] {
        self.replayed.get_or_init(|| {
            let file = self.replay.lock().take();
            let read = file.map(|file| file.and_then(|file| working_set::read(&file, &self.snapshot)));
            read.transpose().map(Option::unwrap_or_default).unwrap_or_else(|error| {
                self.ignore_replay(engine, &error);
                Vec::new()
            })
        })
    }

    fn ignore_replay(&self, engine: &Engine, error: &Error) {
        let message = format!("the working set cannot be replayed, and is ignored: {error}");
        engine.callbacks.log(LogLevel::Warning, &message);
    }

    /// These pages were placed for a fault.
    fn note(&self, index: usize, pages: &Range<usize>) {
        if let Some(recorder) = &self.recorder {
            recorder.note(index, pages);
        }
    }

    /// What to load first.
    fn order(&self, engine: &Engine) -> Result<&Order> {
        let Prepared { pages, order, .. } = self.prepared()?;
        order.put_first(self.replayed_pieces(pages, engine), |error| self.ignore_replay(engine, &error));
        Ok(order)
    }

    /// The working set of an earlier restore, as pages of our RAM blocks.
    fn replayed_pieces<'a>(&'a self, pages: &'a Pages, engine: &'a Engine) -> impl Iterator<Item = Piece> {
        self.replayed(engine).iter().map(|touched| {
            let index = pages.index_of(touched.block);
            Piece { index, pages: pages_of(engine.block(index), touched) }
        })
    }

    fn keep_record(&self, engine: &Engine, record: Replacement, recorder: &Recorder) -> Result<()> {
        let Prepared { pages, order, .. } = self.prepared()?;
        ensure!(recorder.has_all(), ENOMEM, "there was no memory to note all pages");
        let noted = recorder.notes().map(|(index, pages)| Piece { index, pages });
        // Where much of a unit was touched, it is recorded whole: so is it loaded, and the next restore has less to read.
        let all = order.by_units(self.replayed_pieces(pages, engine).chain(noted))?;
        let all = all.iter().take(working_set::MOST_RUNS).map(|piece| {
            let block = engine.block(piece.index);
            let bytes = block.offset_of(piece.pages.start) as u64..block.offset_of(piece.pages.end) as u64;
            Touched { block: pages.source_of(piece.index), bytes }
        });
        record.commit(&working_set::encode(self.snapshot.identity()?, all)?)
    }
}

/// The pages of a block that hold these bytes.
fn pages_of(block: &RamBlock, touched: &Touched) -> Range<usize> {
    block.page_of(touched.bytes.start as usize)..block.page_of(touched.bytes.end as usize - 1) + 1
}

impl PageHandler for SnapshotLoad {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        let Prepared { pages, order, around, .. } = self.prepared()?;
        let (engine, worker, index, page) = (fault.engine(), fault.worker(), fault.index(), fault.page());
        if self.extent == Some(Extent::All) && fault.is_crowded() {
            // All of them are better off with a unit for each than with a page.
            let mut placed = page..page + 1;
            if let Some(mut unit) = order.attend(index, page) {
                placed = pages.place_around(engine, worker, index, page, &unit.piece.pages)?;
                unit.is_placed = placed == unit.piece.pages;
                if !unit.is_placed {
                    order.faulted(index, page);
                }
            }
            self.note(index, &placed);
            return Ok(());
        }
        let mut placed = page..page + 1;
        pages.place_for_fault(engine, worker, index, page)?;
        order.faulted(index, page);
        let along = around[worker].faulted(index, page, engine.block(index).page_size());
        if along > 0 && !fault.is_crowded() {
            placed.end += pages.place_along(engine, worker, index, placed.end..placed.end + along)?;
        }
        self.note(index, &placed);
        Ok(())
    }
}

impl Load for SnapshotLoad {
    fn prepare(&self, table: &BlockTable, fault_threads: usize) -> Result<()> {
        let workers = fault_threads + self.threads();
        let pages = Pages::new(self.snapshot.clone(), self.direct_io, self.zero_scan, table, workers)?;
        let around = (0..fault_threads).map(|_| Around::default()).collect();
        let (order, file) = (Order::new(table)?, self.snapshot.mapped_file()?);
        let prepared = self.prepared.set(Prepared { pages, order, around, file });
        prepared.map_err(|_| error!(ENOTRECOVERABLE, "a load was prepared twice"))
    }

    fn check_apart(&self, table: &BlockTable, maps: &Maps) -> Result<()> {
        let Prepared { pages, file, .. } = self.prepared()?;
        for (index, block) in table.blocks().iter().enumerate() {
            let start = self.snapshot.pages_offset(pages.source_of(index));
            // Where each page is its own source, what is present stays as it is.
            let in_place = |part: &FileRange| {
                self.keep_present && part.bytes.start == start + (part.address - block.host() as u64)
            };
            let is_bad =
                |part: &FileRange| file.is(part.file, maps) && self.snapshot.owns_bytes(&part.bytes) && !in_place(part);
            let bad = maps.files(block.host(), block.length()).find(is_bad);
            ensure!(
                bad.is_none(),
                EINVAL,
                "{block} is a mapping of the snapshot {} itself, which loading would destroy: load into other memory",
                self.snapshot.name()
            );
        }
        Ok(())
    }

    fn keeps_present(&self) -> bool {
        self.keep_present
    }

    fn makes_huge_pages(&self) -> bool {
        !self.no_huge_pages
    }

    fn queued(&self, index: usize, page: usize) {
        if let Ok(prepared) = self.prepared() {
            prepared.order.faulted(index, page);
        }
    }

    fn zeros(&self, index: usize) -> Vec<Range<usize>> {
        self.prepared().map_or(Vec::new(), |prepared| prepared.pages.zeros(index))
    }

    fn threads(&self) -> usize {
        if self.extent.is_some() { self.threads } else { 0 }
    }

    fn run(&self, engine: &Engine, worker: usize) {
        // The working set is read, and maybe some of the snapshot.
        let Ok(pass) = engine.gate.enter(worker, NO_BLOCK) else { return };
        let order = self.order(engine);
        drop(pass);
        if let (Ok(prepared), Ok(order), Some(extent)) = (self.prepared(), order, self.extent) {
            loader::run(&prepared.pages, order, extent, engine, worker);
        }
    }

    fn finish(&self, engine: &Engine) {
        if let (Some(record), Some(recorder)) = (self.record.lock().take(), &self.recorder) {
            if let Err(error) = self.keep_record(engine, record, recorder) {
                engine.callbacks.log(LogLevel::Error, &format!("the working set was not recorded: {error}"));
            }
        }
    }
}
