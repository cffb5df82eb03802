//! What EEXIST is worth: whether a page of which the kernel says that it exists is really there.
//!
//! Linux gives EEXIST for a huge page of hugetlbfs, too, when it has none to place (seen on 6.18): believed, the page would count as
//! received, and read as zeros once the load is complete.

use super::engine::Engine;
use super::registration::Serving;
use crate::error::Errno;
use crate::kernel::is_present;

impl Engine {
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
