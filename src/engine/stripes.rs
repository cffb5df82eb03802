//! How a RAM block is divided among userfaultfds.

use crate::memory::RamBlock;

/// How many stripes of a block a fault thread has at most.
const STRIPES_A_THREAD: usize = 32;

/// The smallest stripe: a page table's worth of pages.
const SMALLEST_STRIPE: usize = 2 << 20;

/// A block's stripes, whose borders are multiples of their length in memory, so
/// that no huge page lies across one.
#[derive(Clone, Copy)]
pub(super) struct Stripes {
    uffds: usize,
    length: usize,
    /// How many bytes of the first stripe lie before the block.
    before: usize,
}

impl Stripes {
    pub fn new(block: &RamBlock, uffds: usize) -> Self {
        if uffds == 1 {
            return Self { uffds, length: block.length(), before: 0 };
        }
        let smallest = SMALLEST_STRIPE.max(block.page_size());
        let length = block.length().div_ceil(uffds * STRIPES_A_THREAD).next_multiple_of(smallest);
        Self { uffds, length, before: block.host() % length }
    }

    /// The number of the descriptor that serves an offset, and the offset at which its stripe ends.
    pub fn at(&self, offset: usize) -> (usize, usize) {
        let stripe = (self.before + offset) / self.length;
        (stripe % self.uffds, (stripe + 1) * self.length - self.before)
    }
}
