//! What the kernel's refusals to place pages are worth.
//!
//! EAGAIN: a thread is changing the memory, by discards, mostly.
//!
//! EEXIST: the page is there, it says. Linux gives it for a huge page of hugetlbfs, too, when it has none to place (seen on 6.18):
//! believed, the page would count as received, and read as zeros once the load is complete.

use super::engine::Engine;
use super::registration::Serving;
use crate::error::Errno;
use crate::kernel::{Placed, Userfaultfd, is_present};

impl Engine {
    /// Places pages by the userfaultfd that serves them; or, if the kernel has refused that too often because of discards, by the
    /// bystander, which does not wake the threads that wait.
    pub(super) fn place_by(
        &self,
        uffd: &Userfaultfd,
        refusals: u32,
        at: usize,
        place: impl Fn(&Userfaultfd) -> Placed,
    ) -> Placed {
        let Some(bystander) = self.discards().and_then(|discards| discards.bystander(refusals)) else {
            return place(uffd);
        };
        let placed = place(bystander);
        // A kernel that asks for more than a registration with any userfaultfd; or the range lies across two mappings.
        if matches!(placed.stopped, Some(Errno::ENOENT | Errno::EINVAL)) {
            return place(uffd);
        }
        let woken = if placed.bytes > 0 { uffd.wake(at, placed.bytes) } else { Ok(()) };
        Placed { stopped: placed.stopped.or(woken.err()), ..placed }
    }

    /// The kernel has asked to try again: something is being changed, by a thread that discards RAM, say, and waits for that to
    /// be read. How often it has refused in a row.
    pub(super) fn drain_or_yield(&self, number: usize, placed: &Placed, refusals: u32) -> u32 {
        if placed.bytes > 0 {
            return 0;
        }
        if !self.read_events(number) {
            std::thread::yield_now();
        }
        refusals.saturating_add(1)
    }

    /// Whether the page at an offset of a block is present, of which placing has said EEXIST.
    pub(super) fn is_there(&self, index: usize, offset: usize) -> bool {
        if self.registration().of(index).zeropage || is_present(self.block(index).host() + offset) {
            return true;
        }
        // Not in this mapping. Another one of the same file may have brought it: then it can be mapped here.
        self.registration().of(index).shared && self.map_in(index, offset)
    }

    /// Maps a page that the file behind a block holds. False when it does not.
    fn map_in(&self, index: usize, offset: usize) -> bool {
        let unit = self.registration().of(index).unit;
        let mut refusals = 0;
        loop {
            let Serving::By { uffd, number, .. } = self.registration().serving(index, offset) else { return true };
            let mapped = uffd.map_in(self.block(index).host() + offset, unit);
            match mapped.stopped {
                // EINVAL: a kernel that cannot do this (before 5.13), and whose EEXIST means what it says.
                None | Some(Errno::EEXIST | Errno::EINVAL) => return true,
                Some(Errno::EAGAIN | Errno::EINTR) => refusals = self.drain_or_yield(number, &mapped, refusals),
                Some(_) => return false,
            }
        }
    }
}
