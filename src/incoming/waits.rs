//! Who waits for which page since when: latency and blocktime, without a lock.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::blocktime::Blocktime;
use crate::stats::Stats;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// How many threads that are no vCPUs are measured at once; more go unmeasured.
const OTHERS: usize = 256;

/// A slot for each vCPU (it waits for one page at a time), and some for other threads.
#[derive(Debug)]
pub(crate) struct Waits {
    slots: Box<[Slot]>,
    vcpus: usize,
    /// One past the highest slot that was ever taken.
    used: AtomicUsize,
    clock: Instant,
    stats: Arc<Stats>,
    blocktime: Option<Arc<Blocktime>>,
}

/// Somebody waits for the page at a host address (0: nobody; 1: being filled in).
#[derive(Debug, Default)]
struct Slot {
    page: AtomicUsize,
    since: AtomicU64,
}

const FREE: usize = 0;
const CLAIMED: usize = 1;

impl Waits {
    pub fn new(stats: Arc<Stats>, blocktime: Option<Arc<Blocktime>>) -> Self {
        let vcpus = blocktime.as_ref().map_or(0, |blocktime| blocktime.vcpus());
        Self {
            slots: (0..vcpus + OTHERS).map(|_| Slot::default()).collect(),
            vcpus,
            used: AtomicUsize::new(0),
            clock: Instant::now(),
            stats,
            blocktime,
        }
    }

    /// Whether somebody wants to know which vCPU a thread is.
    pub fn knows_vcpus(&self) -> bool {
        self.vcpus > 0
    }

    /// Nanoseconds of a clock that never goes back.
    pub fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// Somebody waits for a page since `now`.
    pub fn begin(&self, page: usize, vcpu: Option<u32>, now: u64) {
        let vcpu = vcpu.map(|vcpu| vcpu as usize).filter(|vcpu| *vcpu < self.vcpus);
        let slot = match vcpu {
            Some(vcpu) => {
                let before = self.slots[vcpu].page.swap(CLAIMED, SeqCst);
                if before == page {
                    // Woken for nothing: it waits on, since when it did.
                    self.slots[vcpu].page.store(page, SeqCst);
                    return;
                }
                if before > CLAIMED {
                    // That has been placed, or it would not fault again; whoever placed it has not come to count it yet.
                    self.count(vcpu, self.slots[vcpu].since.load(SeqCst), now);
                }
                Some(vcpu)
            }
            None => (self.vcpus..self.slots.len())
                .find(|slot| self.slots[*slot].page.compare_exchange(FREE, CLAIMED, SeqCst, SeqCst).is_ok()),
        };
        let Some(slot) = slot else { return };
        self.used.fetch_max(slot + 1, SeqCst);
        self.slots[slot].since.store(now, SeqCst);
        if let (Some(blocktime), true) = (&self.blocktime, slot < self.vcpus) {
            blocktime.begin(slot, now);
        }
        self.slots[slot].page.store(page, SeqCst);
    }

    /// A page has been placed: nobody waits for it any more.
    pub fn finish(&self, page: usize) {
        let mut now = None;
        for (index, slot) in self.slots[..self.used.load(SeqCst)].iter().enumerate() {
            if slot.page.load(SeqCst) != page {
                continue;
            }
            let since = slot.since.load(SeqCst);
            if slot.page.compare_exchange(page, FREE, SeqCst, SeqCst).is_err() {
                continue;
            }
            self.count(index, since, *now.get_or_insert_with(|| self.now()));
        }
    }

    /// A wait has ended with its page.
    fn count(&self, slot: usize, since: u64, now: u64) {
        let waited = now.saturating_sub(since);
        self.stats.latency(waited);
        match &self.blocktime {
            Some(blocktime) if slot < self.vcpus => blocktime.end(slot, now),
            Some(blocktime) => blocktime.other(waited),
            None => {}
        }
    }

    /// Who waits for a page in a range of host addresses waits no longer, and was not served.
    pub fn forget(&self, range: Range<usize>) {
        for (index, slot) in self.slots[..self.used.load(SeqCst)].iter().enumerate() {
            let page = slot.page.load(SeqCst);
            if range.contains(&page) && slot.page.compare_exchange(page, FREE, SeqCst, SeqCst).is_ok() {
                if let (Some(blocktime), true) = (&self.blocktime, index < self.vcpus) {
                    blocktime.forget(index);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocktime::Waited;
    use super::*;

    #[test]
    fn everybody_who_waits_for_a_page_is_counted_once() {
        let stats = Arc::new(Stats::default());
        let blocktime = Arc::new(Blocktime::new(2));
        let waits = Waits::new(stats.clone(), Some(blocktime.clone()));
        waits.begin(0x1000, Some(1), waits.now());
        waits.begin(0x1000, None, waits.now());
        waits.begin(0x2000, Some(0), waits.now());
        waits.begin(0x1000, Some(7), waits.now());
        waits.finish(0x1000);
        waits.finish(0x1000);
        assert_eq!(stats.read().fault_latency_buckets.iter().sum::<u64>(), 3);
        let report = blocktime.report();
        assert_eq!((report.vcpus[0].faults, report.vcpus[1].faults, report.others.faults), (0, 1, 2));
    }

    #[test]
    fn a_vcpu_that_faults_again_has_been_served() {
        let stats = Arc::new(Stats::default());
        let blocktime = Arc::new(Blocktime::new(1));
        let waits = Waits::new(stats.clone(), Some(blocktime.clone()));
        waits.begin(0x1000, Some(0), 100);
        // It faults on the next page before the first one is counted, and once more on that one, since it was woken for nothing.
        waits.begin(0x2000, Some(0), 300);
        waits.begin(0x2000, Some(0), 350);
        waits.finish(0x1000);
        waits.finish(0x2000);
        let Waited { blocked_ns, faults } = blocktime.report().vcpus[0];
        assert_eq!((faults, stats.read().fault_latency_buckets.iter().sum::<u64>()), (2, 2));
        assert!(blocked_ns >= 200, "{blocked_ns} ns");
        assert!(stats.read().fault_latency_ns_sum >= 200);
    }

    #[test]
    fn too_many_go_unmeasured() {
        let stats = Arc::new(Stats::default());
        let waits = Waits::new(stats.clone(), None);
        (0..2 * OTHERS).for_each(|_| waits.begin(0x1000, None, 0));
        waits.finish(0x1000);
        assert_eq!(stats.read().fault_latency_buckets.iter().sum::<u64>(), OTHERS as u64);
    }
}
