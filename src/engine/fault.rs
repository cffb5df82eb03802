//! One fault: asks for its page, at the gate, until the page is served.

use super::engine::Engine;
use super::gate::{Ending, Seat};
use crate::error::Result;

/// A page of a block that a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageFault {
    pub index: usize,
    pub page: usize,
    /// The host address that was touched.
    pub address: usize,
    /// Several threads fault concurrently: each page by itself is not enough for them.
    pub concurrent: bool,
}

/// Brings the pages that one fault thread is asked for, and is owned by it.
pub(crate) trait FaultServer: Send {
    /// Places the page, or sets out to have it placed. False if that takes a wait that may not be: then nothing was done.
    fn serve(&mut self, engine: &Engine, fault: &PageFault, wait: Wait) -> Result<bool>;

    /// This page will be served after others, while faults come concurrently: other threads may help.
    fn queued(&mut self, _index: usize, _page: usize) {}
}

/// Whether a disk may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Never,
    AsLongAsItTakes,
}

/// Has one page served; after a failure again, once resumed. False if that takes a wait that may not be.
pub(crate) fn serve_page(
    engine: &Engine,
    seat: &mut Seat,
    server: &mut dyn FaultServer,
    fault: &PageFault,
    wait: Wait,
) -> Result<bool, Ending> {
    let &PageFault { index, page, address, .. } = fault;
    let block = engine.block(index);
    loop {
        let pass = seat.enter(index)?;
        let removed = block.is_removed();
        // Never twice: a page that was received is not brought again.
        let served = if removed {
            engine.fill_removed(index, page).map(|()| true)
        } else if !block.received().get(page) && engine.account().request(index, page) {
            server.serve(engine, fault, wait)
        } else {
            engine.fill_discarded(index, page).map(|()| true)
        };
        match served {
            Ok(served) => return Ok(served),
            // Removed meanwhile: zeros will do.
            Err(_) if !removed && block.is_removed() => {}
            Err(error) => {
                let offset = block.offset_of(page);
                let error = error.context(format_args!("{block}, offset {offset:#x}, address {address:#x}"));
                match engine.poison(index, &[page], error) {
                    Ok(()) => return Ok(true),
                    Err(error) => engine.account().fail(pass, error),
                }
            }
        }
    }
}
