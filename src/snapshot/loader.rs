//! The background loader: places what nobody has asked for yet, piece by piece.

use super::order::{Extent, Order, Piece, Taken};
use super::pages::Pages;
use crate::error::Result;
use crate::incoming::{Ending, Engine};

/// The body of a loader thread.
pub(super) fn run(pages: &Pages, order: &Order, extent: Extent, engine: &Engine, worker: usize) {
    while let Some(mut taken) = order.take(extent) {
        if let Err(Ending) = load(pages, engine, worker, &taken) {
            return;
        }
        taken.is_loaded = true;
    }
}

/// Loads what is missing of a piece; after a failure again, once resumed, or page by page, if bad ones are to be poisoned:
/// nothing is ever passed over.
fn load(pages: &Pages, engine: &Engine, worker: usize, taken: &Taken<'_>) -> Result<(), Ending> {
    let piece = &taken.piece;
    loop {
        let pass = engine.gate.enter(worker, piece.index)?;
        if engine.block(piece.index).is_removed() {
            return Ok(());
        }
        match place_missing(pages, engine, worker, taken) {
            Ok(()) => return Ok(()),
            Err(error) if engine.is_to_poison(piece.index, &error) => {
                drop(pass);
                if load_singly(pages, engine, worker, piece)? {
                    return Ok(());
                }
            }
            Err(error) => engine.fail(pass, error.context("loading in the background")),
        }
    }
}

/// Loads the missing pages of a piece one by one, and poisons those that cannot be had. False when that failed: then they are to
/// be asked for anew.
fn load_singly(pages: &Pages, engine: &Engine, worker: usize, piece: &Piece) -> Result<bool, Ending> {
    let index = piece.index;
    let block = engine.block(index);
    let mut bad = Vec::new();
    let mut why = None;
    for page in piece.pages.clone() {
        while !block.received().get(page) {
            // A source may be slow to say that it has nothing: each page is a piece of work of its own.
            let pass = engine.gate.enter(worker, index)?;
            if block.is_removed() {
                return Ok(true);
            }
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
    let Some(why) = why else { return Ok(true) };
    let why = why.context(format_args!("{} pages that were to be loaded in the background, the first", bad.len()));
    let pass = engine.gate.enter(worker, index)?;
    if block.is_removed() {
        return Ok(true);
    }
    let poisoned = engine.poison(index, &bad, why);
    Ok(poisoned.map_err(|error| engine.fail(pass, error)).is_ok())
}

fn place_missing(pages: &Pages, engine: &Engine, worker: usize, taken: &Taken<'_>) -> Result<()> {
    let Piece { index, pages: unit } = &taken.piece;
    let at_hand = taken.arrive(|| pages.place_at_hand(engine, worker, *index, unit));
    engine.wake_pages(*index, unit);
    pages.place_waiting(engine, worker, *index, unit, at_hand?)
}
