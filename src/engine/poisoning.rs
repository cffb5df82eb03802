//! Poisoning: what becomes of unreadable pages, where the caller wants that rather than a pause.

use super::engine::Engine;
use super::hooks::{Event, LogLevel};
use super::registration::Serving;
use crate::error::{Errno, Error, Result};
use crate::kernel::is_present;
use crate::stats::Stats;

impl Engine {
    /// Whether pages of a block that are unreadable for this reason are to be poisoned.
    pub fn is_to_poison(&self, index: usize, error: &Error) -> bool {
        !error.is_of_host() && self.registration().can_poison(index)
    }

    /// Poisons unreadable pages, and reports it: a thread that touches one, or waits for one, gets SIGBUS. Gives the error back
    /// where that is not wanted or not possible.
    pub fn poison(&self, index: usize, pages: &[usize], error: Error) -> Result<()> {
        if !self.is_to_poison(index, &error) {
            return Err(error);
        }
        let (block, mut present) = (self.block(index), Vec::new());
        for &page in pages {
            match self.poison_page(index, page) {
                Ok(true) => {}
                Ok(false) => present.push(page),
                Err(errno) => {
                    // Linux before 6.6.
                    if errno == Errno::EINVAL {
                        self.registration().cannot_poison(index);
                        self.account()
                            .log(LogLevel::Warning, "this kernel cannot poison pages: failures pause instead");
                    }
                    return Err(error);
                }
            }
        }
        Stats::count(&self.account().stats().source_errors, 1);
        if present.len() < pages.len() {
            self.account().log(LogLevel::Error, &format!("poisoned: {error}"));
            self.account().callbacks().event(&Event::SourceError(error));
        }
        // What came after all.
        for page in present {
            self.account().log_failure(self.registration().wake(index, block.offsets_of(&(page..page + 1))));
            self.account().receive(index, page..page + 1);
        }
        for &page in pages {
            self.account().forget_waits(index, page..page + 1);
            self.account().settle(index, page..page + 1);
        }
        self.account().check_complete();
        Ok(())
    }

    /// Poisons what is missing of a page. False when nothing is: it has come after all.
    fn poison_page(&self, index: usize, page: usize) -> Result<bool, Errno> {
        let block = self.block(index);
        let unit = self.registration().of(index).unit;
        let (mut poisoned, mut refusals) = (false, 0);
        let (mut at, end) = (block.offset_of(page), block.offset_of(page + 1));
        while at < end {
            let Serving::By { uffd, number, .. } = self.registration().serving(index, at) else {
                return Ok(false);
            };
            let placing = self.discards().map(|discards| discards.placing(number));
            let mut pages = block.poisoned().to_add(block.pages()).map_err(|_| Errno::ENOMEM)?;
            if block.received().get(page) {
                return Ok(false);
            }
            let result = self.place_by(uffd, refusals, block.host() + at, |uffd| uffd.poison(block.host() + at, unit));
            match result.stopped {
                // Present, it stays, whatever the source has; or it is poisoned already, by an earlier set-up maybe.
                Some(Errno::EEXIST) if is_present(block.host() + at) => {}
                None | Some(Errno::EEXIST) => {
                    Stats::count(&self.account().stats().pages_poisoned, pages.add(page).into());
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
        Ok(poisoned)
    }
}
