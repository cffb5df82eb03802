//! The poisoned pages of a block: their source could not be read, and a thread that touches one gets SIGBUS.

use std::ops::Range;

use super::bitmap::{AtomicBitmap, words};
use crate::error::Result;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::{Mutex, MutexGuard};

/// Mostly there are none: so there is a lock, no bitmap as long as none is needed, and a flag to look at first.
#[derive(Debug, Default)]
pub(crate) struct Poisoned {
    /// There are some, or are about to be.
    any: AtomicBool,
    pages: Mutex<PoisonedPages>,
}

/// The pages. A thread that poisons one holds them from before that is done until it is noted; so one that fills it and then
/// takes it out finds it.
#[derive(Debug, Default)]
pub(crate) struct PoisonedPages {
    bits: Option<AtomicBitmap>,
    count: usize,
}

impl Poisoned {
    /// Whether there may be any.
    pub fn any(&self) -> bool {
        self.any.load(SeqCst)
    }

    /// The pages, in order to look at them or to take some out.
    pub fn pages(&self) -> MutexGuard<'_, PoisonedPages> {
        self.pages.lock()
    }

    /// The pages, of a block that has so many, in order to add some.
    pub fn to_add(&self, pages: usize) -> Result<MutexGuard<'_, PoisonedPages>> {
        let mut held = self.pages.lock();
        if held.bits.is_none() {
            held.bits = Some(AtomicBitmap::new(pages)?);
        }
        self.any.store(true, SeqCst);
        Ok(held)
    }

    /// Forgets all.
    pub fn clear(&self) {
        let mut held = self.pages.lock();
        *held = PoisonedPages::default();
        self.any.store(false, SeqCst);
    }
}

impl PoisonedPages {
    pub fn contains(&self, page: usize) -> bool {
        self.bits.as_ref().is_some_and(|bits| bits.get(page))
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// The first one.
    pub fn first(&self) -> Option<usize> {
        self.bits.as_ref().and_then(|bits| bits.find(0..bits.len(), true))
    }

    /// Adds a page; whether it was none of them.
    pub fn add(&mut self, page: usize) -> bool {
        let mut newly = false;
        self.bits.iter().for_each(|bits| bits.set(page..page + 1, |_, _| newly = true));
        self.count += usize::from(newly);
        newly
    }

    /// Takes pages out.
    pub fn remove(&mut self, pages: Range<usize>) {
        if let Some(bits) = &self.bits {
            self.count -= words(pages).map(|(first, mask)| bits.take(first, mask).count_ones() as usize).sum::<usize>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_and_go() {
        let poisoned = Poisoned::default();
        assert!(!poisoned.any() && poisoned.pages().first().is_none() && !poisoned.pages().contains(3));
        let mut pages = poisoned.to_add(100).unwrap();
        assert!(pages.add(70) && pages.add(3) && !pages.add(70));
        assert_eq!((pages.count(), pages.first()), (2, Some(3)));
        pages.remove(0..64);
        assert_eq!((pages.count(), pages.first()), (1, Some(70)));
        drop(pages);
        assert!(poisoned.any());
        poisoned.clear();
        assert!(!poisoned.any() && poisoned.pages().count() == 0);
    }
}
