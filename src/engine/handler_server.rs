//! Serves faults by asking a page handler of the caller's.

use std::ptr;
use std::sync::Arc;

use super::engine::Engine;
use super::fault::{FaultServer, PageFault, Wait};
use super::placing::Filling;
use crate::error::Result;
use crate::source::{Fault, PageHandler};

/// Each fault thread has one; the handler is the same.
pub(crate) struct HandlerServer(pub Arc<dyn PageHandler>);

impl FaultServer for HandlerServer {
    /// What a handler waits for, only the handler knows.
    fn serve(&mut self, engine: &Engine, fault: &PageFault, _wait: Wait) -> Result<bool> {
        let &PageFault { index, page, address, .. } = fault;
        let block = engine.block(index);
        let fault = Fault {
            block_id: block.id(),
            offset: block.offset_of(page) as u64,
            address,
            page_size: block.page_size(),
            place: &|bytes| {
                let filling = bytes.map_or(Filling::Zeros, |bytes| Filling::Bytes(ptr::from_ref(bytes).cast()));
                engine.place(index, page..page + 1, filling)
            },
        };
        engine.account().callbacks().owner.call("the page handler", || self.0.page(&fault)).map(|()| true)
    }
}
