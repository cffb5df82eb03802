//! Placing pages, and the one place that decides what each errno of it means.

use std::ops::Range;

use super::engine::Engine;
use super::registration::Serving;
use crate::error::{Errno, Error, Result, error};
use crate::kernel;
use crate::memory::RamBlock;
use crate::probes::{self, Placed};
use crate::stats::Stats;

/// What to fill pages with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Filling {
    /// The bytes from here on, as many as are placed.
    Bytes(*const u8),
    Zeros,
}

/// How much is placed at once while discards are tracked: a thread that discards waits for it.
const MOST_TRACKED: usize = 2 << 20;

/// What to fill pages with from an offset on, and how many bytes: what was received can only be missing because it has been
/// discarded, and so is zeros.
fn unless_received(block: &RamBlock, at: usize, room: usize, filling: Filling) -> (Filling, usize) {
    let room = room.min(MOST_TRACKED.max(block.page_size()));
    let pages = block.page_of(at)..block.page_of(at + room);
    match block.received().find(pages.clone(), true) {
        Some(page) if page == pages.start => (Filling::Zeros, block.page_size()),
        Some(page) => (filling, block.offset_of(page) - at),
        None => (filling, room),
    }
}

/// What to do after the kernel stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The page is present: another thread won. Once that is certain, wake the threads that wait, and go on behind it.
    SkipPresent,
    /// Try once more what is left.
    Retry,
    /// The range lies across two mappings: try with less.
    Split,
    /// It cannot be done.
    Give,
}

/// The errno policy of placing. `single`: only one page was to be placed.
fn after(errno: Errno, single: bool) -> Next {
    match errno {
        Errno::EEXIST => Next::SkipPresent,
        Errno::EAGAIN | Errno::EINTR => Next::Retry,
        Errno::ENOENT | Errno::EINVAL if !single => Next::Split,
        _ => Next::Give,
    }
}

impl Engine {
    /// Places pages of a block, wakes the threads that wait for them, and marks them received. Pages that are present stay. After an
    /// error the pages before the one it names are in place.
    pub fn place(&self, index: usize, pages: Range<usize>, filling: Filling) -> Result<()> {
        let block = self.block(index);
        let unit = self.registration().of(index).unit;
        let (start, end) = (block.offset_of(pages.start), block.offset_of(pages.end));
        let (mut at, mut placed_bytes, mut most) = (start, 0, usize::MAX);
        let (mut received, mut counted) = (pages.start, 0);
        // Where zeros were to be placed, the kernel has come upon a page that is present or poisoned.
        let mut occupied = false;
        let mut refusals = 0;
        let mut result = Ok(());
        while at < end && result.is_ok() {
            let (uffd, number, stripe_end) = match self.registration().serving(index, at) {
                Serving::By { uffd, number, end } => (uffd, number, end),
                // It is received, and so it stays as it is.
                Serving::Kernel(behind) => {
                    (at, received) = (behind, block.page_of(behind));
                    continue;
                }
            };
            let to = block.host() + at;
            let room = end.min(stripe_end) - at;
            let placing = self.discards().map(|discards| discards.placing(number));
            let (filling, room) =
                if placing.is_some() { unless_received(block, at, room, filling) } else { (filling, room) };
            let counter = match filling {
                Filling::Bytes(_) => &self.account().stats().pages_placed,
                Filling::Zeros => &self.account().stats().zero_pages_placed,
            };
            // Elsewhere zeros are copied, one page after the other: in hugetlbfs, and where only copying tells a page that is
            // present from one that is poisoned, by an earlier set-up maybe: that it heals.
            let is_zeropage = self.registration().of(index).zeropage && !occupied;
            let length = if is_zeropage || matches!(filling, Filling::Bytes(_)) { room.min(most) } else { unit };
            let placed = self.place_by(uffd, refusals, to, |uffd| match filling {
                Filling::Bytes(from) => uffd.copy(to, from.wrapping_add(at - start), length),
                Filling::Zeros if is_zeropage => uffd.zeropage(to, length),
                Filling::Zeros => uffd.copy(to, self.temp_pages().zeros(), length),
            });
            drop(placing);
            if placed.bytes > 0 {
                let is_zeros = matches!(filling, Filling::Zeros);
                probes::place(to, placed.bytes, if is_zeros { Placed::Zeros } else { Placed::Copied });
            }
            // Beyond a border, larger steps are worth trying again.
            most = if placed.bytes > 0 { most.saturating_mul(2) } else { most };
            occupied &= placed.bytes == 0;
            at += placed.bytes;
            placed_bytes += placed.bytes;
            if let Some(errno) = placed.stopped {
                match after(errno, length <= unit) {
                    Next::SkipPresent if is_zeropage && matches!(filling, Filling::Zeros) => occupied = true,
                    Next::SkipPresent if !self.is_there(index, at) => {
                        result = Err(self.explain(index, at, "UFFDIO_COPY", Errno::ENOMEM));
                    }
                    Next::SkipPresent => match uffd.wake(block.host() + at, unit) {
                        Ok(()) => at += unit,
                        Err(errno) => result = Err(self.explain(index, at, "UFFDIO_WAKE", errno)),
                    },
                    Next::Retry => refusals = self.drain_or_yield(number, &placed, refusals),
                    Next::Split => most = (length / 2 / unit * unit).max(unit),
                    Next::Give => result = Err(self.explain(index, at, "UFFDIO_COPY or _ZEROPAGE", errno)),
                }
            }
            // Before they are received: what a load that is complete has counted is final.
            Stats::count(counter, (placed_bytes / block.page_size() - counted) as u64);
            counted = placed_bytes / block.page_size();
            // Whole pages only, and only now that they are in place.
            let whole = block.page_of(at);
            self.account().receive(index, received..whole);
            received = whole;
        }
        result
    }

    /// Places pages that a load knows to be zeros, and that no thread is known to wait for: where they need not be placed, they
    /// stay missing, and count as received.
    pub fn place_zeros(&self, index: usize, pages: Range<usize>) -> Result<()> {
        if self.registration().holes_are_zeros(index) {
            self.leave_missing(index, pages)
        } else {
            self.place(index, pages, Filling::Zeros)
        }
    }

    /// Places pages by moving them out of our memory at `from`, where nothing is copied and a huge page stays one; what cannot
    /// be moved is copied, as [`Engine::place`] does. What was moved reads as zeros at `from` afterwards.
    pub fn place_moving(&self, index: usize, pages: Range<usize>, from: &mut [u8]) -> Result<()> {
        let block = self.block(index);
        let (start, end) = (block.offset_of(pages.start), block.offset_of(pages.end));
        let Serving::By { uffd, number, end: stripe_end } = self.registration().serving(index, start) else {
            return self.place(index, pages, Filling::Bytes(from.as_ptr()));
        };
        let placing = self.discards().map(|discards| discards.placing(number));
        let is_received = placing.is_some() && block.received().find(pages.clone(), true).is_some();
        if is_received || end > stripe_end || !self.registration().can_move(index) {
            drop(placing);
            return self.place(index, pages, Filling::Bytes(from.as_ptr()));
        }
        let moved = uffd.move_pages(block.host() + start, &mut from[..end - start]);
        drop(placing);
        if moved.bytes > 0 {
            probes::place(block.host() + start, moved.bytes, Placed::Moved);
        }
        if moved.stopped == Some(Errno::EINVAL) && moved.bytes == 0 {
            self.registration().cannot_move(index);
        }
        // Whatever stopped it: where a page is present, or the range is no place to move to, copying goes on; and if it
        // cannot be done at all, copying finds out.
        let whole = pages.start + block.page_of(moved.bytes);
        let stats = self.account().stats();
        Stats::count(&stats.pages_placed, (whole - pages.start) as u64);
        Stats::count(&stats.bytes_moved, moved.bytes as u64);
        self.account().receive(index, pages.start..whole);
        if whole == pages.end {
            return Ok(());
        }
        let rest = &from[block.offset_of(whole - pages.start)..];
        self.place(index, whole..pages.end, Filling::Bytes(rest.as_ptr()))
    }

    /// A fault on a page that was received: it was discarded meanwhile, and so it is zeros; or it is present, and only
    /// the wake-up is missing.
    pub fn fill_discarded(&self, index: usize, page: usize) -> Result<()> {
        self.place(index, page..page + 1, Filling::Zeros)?;
        self.account().settle(index, page..page + 1);
        self.account().waits().finish(self.block(index).address_of(page));
        Ok(())
    }

    /// A fault in a block that was removed: it reads as zeros. Unregistering the block wakes the thread that waits, and the
    /// kernel gives it zeros. Nothing must be placed there: another userfaultfd may serve that memory by now, and Linux asks
    /// only whether a range is registered, not with whom. Only where unregistering has failed is it still ours to fill.
    pub fn fill_removed(&self, index: usize, page: usize) -> Result<()> {
        if self.registration().is_stuck(index) {
            match self.fill_discarded(index, page) {
                // Unregistered, or gone, since the fault was read; and what began to wait then was not seen by the removal.
                Err(error) if error.errno() == libc::ENOENT => {}
                filled => return filled,
            }
        }
        self.account().forget_waits(index, page..page + 1);
        Ok(())
    }

    fn explain(&self, index: usize, offset: usize, call: &str, errno: Errno) -> Error {
        let (block, unit) = (self.block(index), self.registration().of(index).unit);
        let address = block.host() + offset;
        let what = format!("placing a page of {block} at offset {offset:#x} (address {address:#x}): {call}");
        let error = match errno {
            Errno::ENOENT => error!(ENOENT, "{what}: ENOENT: the memory is no longer mapped or registered"),
            Errno::ENOSPC | Errno::ENOMEM if unit > kernel::page_size() => Error::os(
                errno,
                format_args!(
                    "{what}: no huge page of {unit} bytes is available: all of the pool are taken or reserved \
                     (vm.nr_hugepages, a limit of the hugetlbfs mount or of a hugetlb cgroup, the NUMA policy); free some, \
                     then resume"
                ),
            ),
            Errno::ENOSPC | Errno::ENOMEM => {
                Error::os(errno, format_args!("{what}: the host has no memory for it; free some, then resume"))
            }
            Errno::ESRCH => error!(ESRCH, "{what}: ESRCH: the process whose memory it is has ended"),
            // A source may have given an address that is none.
            Errno::EFAULT => {
                let why = "EFAULT: the bytes to place cannot be read, or the file behind the memory was truncated";
                return error!(EFAULT, "{what}: {why}");
            }
            errno => Error::os(errno, what),
        };
        error.of_host()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_errno_policy() {
        for single in [true, false] {
            assert_eq!(after(Errno::EEXIST, single), Next::SkipPresent);
            assert_eq!(after(Errno::EAGAIN, single), Next::Retry);
            assert_eq!(after(Errno::EINTR, single), Next::Retry);
            for errno in [Errno::ENOSPC, Errno::ENOMEM, Errno::ESRCH, Errno::EFAULT, Errno::EPERM] {
                assert_eq!(after(errno, single), Next::Give, "{errno}");
            }
        }
        for errno in [Errno::ENOENT, Errno::EINVAL] {
            assert_eq!(after(errno, true), Next::Give, "{errno}");
            assert_eq!(after(errno, false), Next::Split, "{errno}");
        }
    }
}
