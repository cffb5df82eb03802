//! The frame around a worker's body: a panic in it is reported and pauses, and after a resume the body starts anew.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::engine::Engine;
use super::gate::Seat;
use crate::error::{error, panic_message};

/// Runs a worker's body until it returns.
pub(crate) fn run(engine: &Engine, mut seat: Seat, mut body: impl FnMut(&mut Seat)) {
    while let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(&mut seat))) {
        let words = panic_message(&*panic);
        let error = error!(ENOTRECOVERABLE, "internal error, please report it: {words}");
        if engine.account().pause_and_wait(&mut seat, error).is_err() {
            return;
        }
        // What it had in hand is lost: the threads that wait for it fault again, clients of shared descriptors, too.
        engine.registration().wake_all();
        engine.account().shared().wake_clients();
    }
}
