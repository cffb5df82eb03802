//! A RAM block: where it is, and which of its pages have been requested and received.

use std::fmt;
use std::ops::Range;

use super::bitmap::AtomicBitmap;
use super::poisoned::Poisoned;
use crate::error::{Result, ensure, error};
use crate::kernel;
use crate::sync::atomic::{AtomicBool, AtomicIsize, Ordering::SeqCst};

/// The caller's name for a RAM block: any number that is unique in its [`Incoming`](crate::Incoming). From C, the
/// address of its `RAMBlock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub usize);

/// What a caller tells of a RAM block.
#[derive(Clone, Debug)]
pub struct RamBlockSpec {
    /// The name, 1 to 255 bytes: what messages call it and what a snapshot knows it by.
    pub idstr: String,
    /// The host address, aligned to the page size.
    pub host: usize,
    /// Bytes, a multiple of the page size, not 0.
    pub length: u64,
    /// The size in which pages are asked for and placed: a power of two, at least the host's.
    pub page_size: u64,
}

/// A RAM block. The memory is only known by its addresses, never by a reference: the guest writes to it at any time.
#[derive(Debug)]
pub(crate) struct RamBlock {
    id: BlockId,
    idstr: String,
    host: usize,
    length: usize,
    page_shift: u32,
    /// Pages that have been placed, or that the caller has marked received.
    received: AtomicBitmap,
    /// How many bits are set in `received`. Counted after they were set, and uncounted after they were cleared: it may be below 0
    /// in between.
    received_pages: AtomicIsize,
    /// Pages that the handler was asked for and that have not been placed yet.
    requested: AtomicBitmap,
    /// Unreadable pages: a thread that touches one gets SIGBUS. None of them is received.
    poisoned: Poisoned,
    /// The caller has taken the block back.
    removed: AtomicBool,
}

impl RamBlock {
    pub fn new(id: BlockId, spec: RamBlockSpec) -> Result<Self> {
        let RamBlockSpec { idstr, host, length, page_size } = spec;
        let this = Named { idstr: &idstr, host };
        ensure!(!idstr.is_empty() && idstr.len() <= 255, EINVAL, "a RAM block's name must have 1 to 255 bytes");
        ensure!(
            page_size.is_power_of_two() && page_size >= kernel::page_size() as u64,
            EINVAL,
            "{this}: page size {page_size} is not a power of two of at least {}",
            kernel::page_size()
        );
        ensure!(host != 0, EINVAL, "RAM block '{idstr}': `host` is NULL");
        ensure!(host as u64 % page_size == 0, EINVAL, "{this} is not aligned to its page size {page_size}");
        ensure!(
            length != 0 && length % page_size == 0,
            EINVAL,
            "{this}: length {length} is not a multiple of its page size {page_size}, or 0"
        );
        let length = usize::try_from(length).ok().filter(|length| host.checked_add(*length).is_some());
        let length = length.ok_or_else(|| error!(EINVAL, "{this} ends beyond the address space"))?;
        let page_shift = page_size.trailing_zeros();
        let pages = length >> page_shift;
        Ok(Self {
            id,
            host,
            length,
            page_shift,
            received: AtomicBitmap::new(pages).map_err(|error| error.context(&this))?,
            received_pages: AtomicIsize::new(0),
            requested: AtomicBitmap::new(pages).map_err(|error| error.context(&this))?,
            poisoned: Poisoned::default(),
            removed: AtomicBool::new(false),
            idstr,
        })
    }

    pub fn id(&self) -> BlockId {
        self.id
    }

    pub fn idstr(&self) -> &str {
        &self.idstr
    }

    pub fn host(&self) -> usize {
        self.host
    }

    /// Bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    pub fn page_size(&self) -> usize {
        1 << self.page_shift
    }

    pub fn pages(&self) -> usize {
        self.received.len()
    }

    pub fn end(&self) -> usize {
        self.host + self.length
    }

    /// All its host addresses.
    pub fn addresses(&self) -> Range<usize> {
        self.host..self.end()
    }

    /// The page that holds the byte at an offset.
    pub fn page_of(&self, offset: usize) -> usize {
        offset >> self.page_shift
    }

    /// The offset at which a page starts.
    pub fn offset_of(&self, page: usize) -> usize {
        page << self.page_shift
    }

    /// The host address at which a page starts.
    pub fn address_of(&self, page: usize) -> usize {
        self.host + self.offset_of(page)
    }

    /// The offsets of pages.
    pub fn offsets_of(&self, pages: &Range<usize>) -> Range<usize> {
        self.offset_of(pages.start)..self.offset_of(pages.end)
    }

    /// The page that holds the byte at a caller's offset, or why there is none.
    pub fn page_at(&self, offset: u64) -> Result<usize> {
        ensure!(offset < self.length as u64, EINVAL, "{self}: offset {offset:#x} lies beyond its end");
        Ok(self.page_of(offset as usize))
    }

    /// The whole pages of `length` bytes at an offset, or why they are none.
    pub fn whole_pages(&self, offset: u64, length: u64) -> Result<Range<usize>> {
        let mask = self.page_size() as u64 - 1;
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.length as u64);
        ensure!(
            length != 0 && inside && (offset | length) & mask == 0,
            EINVAL,
            "{self}: offset {offset:#x}, length {length:#x} are not whole pages of {} bytes inside its {:#x} bytes",
            self.page_size(),
            self.length
        );
        Ok(self.page_of(offset as usize)..self.page_of((offset + length) as usize))
    }

    pub fn received(&self) -> &AtomicBitmap {
        &self.received
    }

    /// Marks pages received; calls `each` with those that were not, in words (first page, mask), and counts them.
    pub fn receive(&self, pages: Range<usize>, mut each: impl FnMut(usize, u64)) -> usize {
        let mut newly = 0;
        self.received.set(pages.clone(), |first, mask| {
            newly += mask.count_ones() as usize;
            each(first, mask);
        });
        self.received_pages.fetch_add(newly as isize, SeqCst);
        if self.poisoned.any() {
            self.poisoned.pages().remove(pages);
        }
        newly
    }

    pub fn received_pages(&self) -> usize {
        self.received_pages.load(SeqCst).max(0) as usize
    }

    pub fn is_fully_received(&self) -> bool {
        self.received_pages() == self.pages()
    }

    pub fn poisoned(&self) -> &Poisoned {
        &self.poisoned
    }

    /// Whether every page has been received or is poisoned.
    pub fn is_settled(&self) -> bool {
        if !self.poisoned.any() {
            return self.is_fully_received();
        }
        let poisoned = self.poisoned.pages();
        // Received pages are counted late, and taken from the poisoned ones later still: the bits are exact.
        let mut from = 0;
        let mut missing = || self.received.find(from..self.pages(), false).inspect(|page| from = page + 1);
        self.received_pages() + poisoned.count() >= self.pages()
            && std::iter::from_fn(&mut missing).all(|page| poisoned.contains(page))
    }

    pub fn requested(&self) -> &AtomicBitmap {
        &self.requested
    }

    pub fn is_removed(&self) -> bool {
        self.removed.load(SeqCst)
    }

    /// The caller takes the block back.
    pub fn remove(&self) {
        self.removed.store(true, SeqCst);
    }

    /// Forgets what was received, requested and poisoned.
    pub fn forget_pages(&self) {
        // The caller may mark pages received at any time: what is counted stays what is set.
        let cleared = self.received.clear_all();
        self.received_pages.fetch_sub(cleared as isize, SeqCst);
        self.poisoned.clear();
        self.forget_requests();
    }

    /// Forgets what was requested.
    pub fn forget_requests(&self) {
        self.requested.clear_all();
    }
}

impl fmt::Display for RamBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Named { idstr: &self.idstr, host: self.host }.fmt(f)
    }
}

/// How messages name a block.
struct Named<'a> {
    idstr: &'a str,
    host: usize,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RAM block '{}' at {:#x}", self.idstr, self.host)
    }
}
