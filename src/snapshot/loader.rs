//! The background loader: places what nobody has asked for yet, piece by piece.

use super::order::{Extent, Order, Piece};
use super::pages::{From, Pages};
use crate::error::Result;
use crate::incoming::{Ending, Engine};

/// The body of a loader thread.
pub(super) fn run(pages: &Pages, order: &Order, extent: Extent, engine: &Engine, worker: usize) {
    while let Some(piece) = order.take(extent) {
        let mut taken = Taken { order, piece: Some(piece.clone()) };
        if let Err(Ending) = load(pages, engine, worker, &piece) {
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

/// Loads what is missing of a piece; after a failure again, once resumed: nothing is ever passed over.
fn load(pages: &Pages, engine: &Engine, worker: usize, piece: &Piece) -> Result<(), Ending> {
    loop {
        let pass = engine.gate.enter(worker, piece.index)?;
        match place_missing(pages, engine, worker, piece) {
            Ok(()) => return Ok(()),
            Err(error) => engine.fail(pass, error.context("loading in the background")),
        }
    }
}

fn place_missing(pages: &Pages, engine: &Engine, worker: usize, piece: &Piece) -> Result<()> {
    let Piece { index, pages: unit } = piece;
    if pages.place_huge(engine, worker, *index, unit.clone(), From::Disk)? {
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
