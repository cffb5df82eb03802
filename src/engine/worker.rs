//! The frame around a worker's body: a panic in it is reported and pauses, and after a resume the body starts anew.

use super::engine::Engine;
use super::gate::Seat;
use crate::error::caught;

/// Runs a worker's body until it returns.
pub(crate) fn run(engine: &Engine, mut seat: Seat, mut body: impl FnMut(&mut Seat)) {
    while let Err(error) = caught(|| {
        body(&mut seat);
        Ok(())
    }) {
        if engine.account().pause_and_wait(&mut seat, error).is_err() {
            return;
        }
        // What it had in hand is lost: the threads that wait for it fault again, clients of shared descriptors, too.
        engine.registration().wake_all();
        engine.account().shared().wake_clients();
    }
}
