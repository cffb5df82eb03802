//! Poisoning: what becomes of pages that cannot be had, where the caller wants that rather than a pause.

use nix::errno::Errno;

use super::config::{Event, LogLevel};
use super::engine::Engine;
use super::registration::Serving;
use crate::error::{Error, Result, error};
use crate::kernel::is_present;
use crate::stats::Stats;

/// What becomes of a page that cannot be had.
enum Fate {
    /// Whether it was not poisoned before.
    Poisoned {
        anew: bool,
    },
    Present,
}

impl Engine {
    /// Whether pages of a block that cannot be had for this reason are to be poisoned.
    pub fn is_to_poison(&self, index: usize, error: &Error) -> bool {
        !error.is_of_host() && self.registration.can_poison(index)
    }

    /// Poisons pages that cannot be had, and reports it: who touches one gets SIGBUS, who waits for one too. Gives the error
    /// back where that is not wanted or cannot be.
    pub fn poison(&self, index: usize, pages: &[usize], error: Error) -> Result<()> {
        if !self.is_to_poison(index, &error) {
            return Err(error);
        }
        let mut present = Vec::new();
        for &page in pages {
            match self.poison_page(index, page) {
                Ok(Fate::Present) => present.push(page),
                Ok(Fate::Poisoned { anew }) => Stats::count(&self.stats.pages_poisoned, anew.into()),
                Err(errno) => {
                    // Linux before 6.6.
                    if errno == Errno::EINVAL {
                        self.registration.cannot_poison(index);
                        self.callbacks
                            .log(LogLevel::Warning, "this kernel cannot poison pages: failures pause instead");
                    }
                    return Err(error);
                }
            }
        }
        Stats::count(&self.stats.source_errors, 1);
        if present.len() < pages.len() {
            self.callbacks.log(LogLevel::Error, &format!("poisoned: {error}"));
            self.callbacks.event(&Event::SourceError(error));
        }
        // What came after all.
        for page in present {
            self.wake_pages(index, &(page..page + 1));
            self.receive(index, page..page + 1);
        }
        for &page in pages {
            self.forget_waits(index, page..page + 1);
            self.settle(index, page..page + 1);
        }
        self.check_complete();
        Ok(())
    }

    /// Poisons what is missing of a page, unless it has come after all.
    fn poison_page(&self, index: usize, page: usize) -> nix::Result<Fate> {
        let block = self.block(index);
        let unit = self.registration.unit(index);
        let (mut anew, mut poisoned, mut refusals) = (false, false, 0);
        let (mut at, end) = (block.offset_of(page), block.offset_of(page + 1));
        while at < end {
            let Serving::By { uffd, number, .. } = self.registration.serving(index, at) else {
                return Ok(Fate::Present);
            };
            let placing = self.placing(number);
            let mut pages = block.poisoned().to_add(block.pages()).map_err(|_| Errno::ENOMEM)?;
            if block.received().get(page) {
                return Ok(Fate::Present);
            }
            let result = self.place_by(uffd, refusals, block.host() + at, |uffd| uffd.poison(block.host() + at, unit));
            match result.stopped {
                // Present, it stays, whatever the source has; or it is poisoned already, by an earlier set-up maybe.
                Some(Errno::EEXIST) if is_present(block.host() + at) => {}
                None | Some(Errno::EEXIST) => {
                    anew |= pages.add(page);
                    poisoned = true;
                }
                Some(Errno::EAGAIN | Errno::EINTR) => {
                    drop((pages, placing));
                    refusals = self.drain_or_yield(number, &result, refusals);
                    continue;
                }
                Some(errno) => return Err(errno),
            }
            at += unit;
        }
        Ok(if poisoned { Fate::Poisoned { anew } } else { Fate::Present })
    }

    /// Why a load is not complete though nothing is left to be had.
    pub(super) fn poisoned_pages(&self) -> Option<Error> {
        let poisoned = self.table.blocks().iter().filter(|block| block.poisoned().any()).filter_map(|block| {
            let pages = block.poisoned().pages();
            pages.first().map(|first| (block, first, pages.count()))
        });
        let poisoned: Vec<_> = poisoned.collect();
        let (block, page, _) = poisoned.first()?;
        let count: usize = poisoned.iter().map(|(.., count)| count).sum();
        let offset = block.offset_of(*page);
        Some(error!(
            EIO,
            "{count} pages of RAM could not be had and are poisoned, the first of {block} at offset {offset:#x}: whoever \
             touches one gets SIGBUS, until it is placed"
        ))
    }
}
