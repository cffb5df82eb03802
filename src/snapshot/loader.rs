//! The background loader: places what nobody has asked for yet, piece by piece.

use super::order::{Extent, Order, Piece};
use super::pages::{Origin, Pages};
use crate::error::Result;
use crate::incoming::{Ending, Engine};

/// The body of a loader thread.
pub(super) fn run(pages: &Pages, order: &Order, extent: Extent, engine: &Engine, worker: usize) {
    while let Some(piece) = order.take(extent) {
        let mut taken = Taken { order, piece: Some(piece.clone()) };
        if let Err(Ending) = load(pages, order, engine, worker, &piece) {
            return;
        }
        taken.piece = None;
    }
}

/// A piece in hand: given back, should a panic come in between, so that it is not passed over.
struct Taken<'a> {
    order: &'a Order,
    piece: Option<Piece>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(piece) = self.piece.take() {
            self.order.give_back(piece);
        }
    }
}

/// Loads what is missing of a piece; after a failure again, once resumed, or page by page, if bad ones are to be poisoned:
/// nothing is ever passed over.
fn load(pages: &Pages, order: &Order, engine: &Engine, worker: usize, piece: &Piece) -> Result<(), Ending> {
    loop {
        let pass = engine.gate.enter(worker, piece.index)?;
        let arriving = order.arriving(piece);
        let placed = place_missing(pages, engine, worker, piece);
        drop(arriving);
        let Err(error) = placed else { return Ok(()) };
        // Who was left waiting for it faults again.
        engine.wake_pages(piece.index, &piece.pages);
        if engine.is_to_poison(piece.index, &error) {
            break;
        }
        engine.fail(pass, error.context("loading in the background"));
    }
    load_singly(pages, engine, worker, piece)
}

/// Loads the missing pages of a piece one by one, and poisons those that cannot be had.
fn load_singly(pages: &Pages, engine: &Engine, worker: usize, piece: &Piece) -> Result<(), Ending> {
    let index = piece.index;
    let received = engine.block(index).received();
    let mut bad = Vec::new();
    let mut why = None;
    for page in piece.pages.clone() {
        while !received.get(page) {
            // A source may be slow to say that it has nothing: each page is a piece of work of its own.
            let pass = engine.gate.enter(worker, index)?;
            match pages.place(engine, worker, index, page..page + 1) {
                Ok(()) => break,
                Err(error) if engine.is_to_poison(index, &error) => {
                    bad.push(page);
                    why.get_or_insert(error);
                    break;
                }
                Err(error) => engine.fail(pass, error.context("loading in the background")),
            }
        }
    }
    // Reported at once, or there would be no end of it.
    let Some(why) = why else { return Ok(()) };
    let why = why.context(format_args!("{} pages that were to be loaded in the background, the first", bad.len()));
    loop {
        let pass = engine.gate.enter(worker, index)?;
        match engine.poison(index, &bad, why.clone()) {
            Ok(()) => return Ok(()),
            Err(error) => engine.fail(pass, error),
        }
    }
}

fn place_missing(pages: &Pages, engine: &Engine, worker: usize, piece: &Piece) -> Result<()> {
    let Piece { index, pages: unit } = piece;
    if pages.place_huge(engine, worker, *index, unit.clone(), Origin::Disk)? {
        return Ok(());
    }
    let received = engine.block(*index).received();
    let mut from = unit.start;
    while let Some(missing) = received.find(from..unit.end, false) {
        from = received.find(missing..unit.end, true).unwrap_or(unit.end);
        pages.place(engine, worker, *index, missing..from)?;
    }
    Ok(())
}
