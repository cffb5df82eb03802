//! Serves faults by asking a page handler of the caller's.

use std::sync::Arc;

use super::engine::Engine;
use super::fault::{FaultServer, PageFault};
use super::placing::Filling;
use crate::error::{Result, ensure};
use crate::source::{Fault, PageHandler, PlacePage};

/// Each fault thread has one; the handler is the same.
pub(crate) struct HandlerServer(Arc<dyn PageHandler>);

/// The page that the handler was asked for.
struct AskedPage<'a> {
    engine: &'a Engine,
    index: usize,
    page: usize,
}

impl HandlerServer {
    pub fn new(handler: Arc<dyn PageHandler>) -> Self {
        Self(handler)
    }
}

impl FaultServer for HandlerServer {
    fn serve(&mut self, engine: &Engine, fault: &PageFault) -> Result<()> {
        let &PageFault { index, page, address, .. } = fault;
        let block = engine.block(index);
        let fault = Fault {
            block_id: block.id(),
            offset: block.offset_of(page) as u64,
            address,
            page_size: block.page_size(),
            placer: &AskedPage { engine, index, page },
        };
        let asked = engine.account().callbacks().owner.call("the page handler", || self.0.page(&fault));
        asked.and_then(|result| result)
    }

    fn queued(&mut self, _index: usize, _page: usize) {}
}

impl PlacePage for AskedPage<'_> {
    fn place(&self, bytes: &[u8]) -> Result<()> {
        let page_size = self.engine.block(self.index).page_size();
        ensure!(bytes.len() == page_size, EINVAL, "{} bytes are not a page of {page_size}", bytes.len());
        self.engine.place(self.index, self.page..self.page + 1, Filling::Bytes(bytes.as_ptr()))
    }

    fn place_zeros(&self) -> Result<()> {
        self.engine.place(self.index, self.page..self.page + 1, Filling::Zeros)
    }
}
