//! What to do while the kernel refuses to place pages, because a thread is changing the memory: by discards, mostly.

use crate::error::Errno;
use crate::kernel::{Placed, Userfaultfd};

use super::engine::Engine;

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
}
