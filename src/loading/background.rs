//! A loader thread: places what no thread has asked for yet, piece by piece.

use std::sync::Arc;
use std::time::Instant;

use super::page_loader::{CacheOutcome, Cause, Demand, PageLoader};
use super::snapshot_load::SnapshotLoad;
use super::unit_map::Piece;
use super::units::{Extent, LoadClaim};
use crate::engine::{Ending, Engine, NO_BLOCK, Seat};
use crate::error::Result;

/// Owned by a loader thread.
pub(crate) struct BackgroundLoader {
    load: Arc<SnapshotLoad>,
    pages: PageLoader,
    extent: Extent,
}

impl BackgroundLoader {
    /// As many as the load asks for.
    pub fn all(load: &Arc<SnapshotLoad>) -> Result<Vec<Self>> {
        let Some(extent) = load.extent else { return Ok(Vec::new()) };
        let new = |_| {
            Ok(Self { pages: PageLoader::new(load.pages.clone(), Demand::Background)?, load: load.clone(), extent })
        };
        (0..load.config.loaders()).map(new).collect()
    }

    /// Returns when nothing is left to load, or all is ending.
    pub fn run(&mut self, engine: &Engine, seat: &mut Seat) {
        // The working set is read, and maybe some of the snapshot.
        let Ok(pass) = seat.enter(NO_BLOCK) else { return };
        self.load.replay(engine);
        drop(pass);
        let load = self.load.clone();
        while let Some(next) = load.mapped.take() {
            let Ok(_pass) = seat.enter(next.piece.index) else { return };
            next.load(engine, &load.pages);
            if load.mapped.read() {
                engine.account().release_completion();
            }
        }
        while let Some(mut claim) = load.units.take(self.extent) {
            if let Err(Ending) = self.load_piece(engine, seat, &claim) {
                return;
            }
            claim.is_loaded = true;
        }
    }

    /// Loads what is missing of a piece; after a failure again, once resumed, or page by page, if unreadable ones are to be
    /// poisoned: nothing is ever passed over.
    fn load_piece(&mut self, engine: &Engine, seat: &mut Seat, claim: &LoadClaim<'_>) -> Result<(), Ending> {
        let piece = &claim.piece;
        loop {
            let pass = seat.enter(piece.index)?;
            if engine.block(piece.index).is_removed() {
                return Ok(());
            }
            match self.place_missing(engine, claim) {
                Ok(()) => return Ok(()),
                Err(error) if engine.is_to_poison(piece.index, &error) => {
                    drop(pass);
                    if self.load_pages_alone(engine, seat, piece)? {
                        return Ok(());
                    }
                }
                Err(error) => engine.account().fail(pass, error.context("loading in the background")),
            }
        }
    }

    fn place_missing(&mut self, engine: &Engine, claim: &LoadClaim<'_>) -> Result<()> {
        let piece = &claim.piece;
        claim.begin_again();
        let cached = self.pages.place_unit_cached(engine, piece);
        claim.wait_for_disk();
        // Those that were left to the loader are not woken by anything else.
        engine.registration().wake(piece.index, engine.block(piece.index).offsets_of(&piece.pages))?;
        let cached = cached?;
        if cached == CacheOutcome::All {
            return Ok(());
        }
        self.prefetch(engine, piece);
        let start = Instant::now();
        self.pages.place_unit(engine, piece, cached)?;
        self.load.units.waited(start.elapsed());
        Ok(())
    }

    /// Keeps the disk busy: with this piece, and with the next ones of the working set while this one is placed.
    fn prefetch(&self, engine: &Engine, piece: &Piece) {
        self.pages.prefetch(engine, piece);
        while let Some(next) = self.load.units.next_ahead() {
            self.pages.prefetch(engine, &next);
        }
    }

    /// Loads the missing pages of a piece one by one, and poisons the unreadable ones. False when that failed: then they are to
    /// be read anew.
    fn load_pages_alone(&mut self, engine: &Engine, seat: &mut Seat, piece: &Piece) -> Result<bool, Ending> {
        let index = piece.index;
        let block = engine.block(index);
        let mut unreadable = Vec::new();
        let mut why = None;
        for page in piece.pages.clone() {
            while !block.received().get(page) {
                // A source may be slow to say that it has nothing: each page is a piece of work of its own.
                let pass = seat.enter(index)?;
                if block.is_removed() {
                    return Ok(true);
                }
                match self.pages.place(engine, index, page..page + 1, Cause::Load) {
                    Ok(_) => break,
                    Err(error) if engine.is_to_poison(index, &error) => {
                        unreadable.push(page);
                        why.get_or_insert(error);
                        break;
                    }
                    Err(error) => engine.account().fail(pass, error.context("loading in the background")),
                }
            }
        }
        // Reported at once, or there would be no end of it.
        let Some(why) = why else { return Ok(true) };
        let count = unreadable.len();
        let why = why.context(format_args!("{count} pages that were to be loaded in the background, the first"));
        let pass = seat.enter(index)?;
        if block.is_removed() {
            return Ok(true);
        }
        let poisoned = engine.poison(index, &unreadable, why);
        Ok(poisoned.map_err(|error| engine.account().fail(pass, error)).is_ok())
    }
}
