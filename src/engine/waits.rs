//! Which threads wait for which pages, and since when: for the latency of faults, and for blocktime.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::blocktime::{Blocktime, BlocktimeReport};
use crate::error::{Result, error};
use crate::stats::Stats;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many waits of threads that are no vCPUs are measured at once; more go unmeasured.
const OTHERS: usize = 256;

/// One lock, taken once for a batch of faults and once for each page that was asked for.
#[derive(Debug)]
pub(crate) struct Waits {
    state: Mutex<State>,
    vcpus: usize,
    clock: Instant,
    /// When a wait ended last.
    latest_end: AtomicU64,
    stats: Arc<Stats>,
}

#[derive(Debug)]
struct State {
    /// One at most for each vCPU, which waits for one page at a time.
    waiting: Vec<Wait>,
    /// How many of them are of other threads.
    others: usize,
    blocktime: Option<Blocktime>,
}

/// A thread waits for the page at a host address.
#[derive(Clone, Copy, Debug)]
struct Wait {
    page: usize,
    since: u64,
    vcpu: Option<usize>,
}

impl Waits {
    /// With blocktime for so many vCPUs, if any.
    pub fn new(stats: Arc<Stats>, vcpus: Option<usize>) -> Result<Self> {
        let number = vcpus.unwrap_or(0);
        let mut waiting = Vec::new();
        // All the room there will ever be: nothing is allocated on the path of a fault.
        waiting
            .try_reserve_exact(number + OTHERS)
            .map_err(|_| error!(ENOMEM, "no memory for the waits of {number} vCPUs"))?;
        let blocktime = vcpus.map(Blocktime::new);
        let state = Mutex::new(State { waiting, others: 0, blocktime });
        Ok(Self { state, vcpus: number, clock: Instant::now(), latest_end: AtomicU64::new(0), stats })
    }

    /// Whether blocktime is kept, which needs to know what vCPU a thread is.
    pub fn has_vcpus(&self) -> bool {
        self.vcpus > 0
    }

    /// The time now, in nanoseconds of the clock that waits are measured by.
    pub fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// When a wait ended last, by that clock: for who would read the clock otherwise.
    pub fn latest_end(&self) -> u64 {
        self.latest_end.load(Relaxed)
    }

    /// Threads wait since `now`: each for a page, and which vCPU it is, if it is one.
    pub fn begin(&self, now: u64, faults: impl Iterator<Item = (usize, Option<u32>)>) {
        let mut state = self.state.lock();
        for (page, vcpu) in faults {
            let vcpu = vcpu.map(|vcpu| vcpu as usize).filter(|vcpu| *vcpu < self.vcpus);
            state.begin(Wait { page, since: now, vcpu }, &self.stats);
        }
    }

    /// A page has been placed: no thread waits for it any more.
    pub fn finish(&self, page: usize) {
        let mut state = self.state.lock();
        let mut now = None;
        while let Some(at) = state.waiting.iter().position(|wait| wait.page == page) {
            let wait = state.remove(at);
            state.count(wait, *now.get_or_insert_with(|| self.now()), &self.stats);
        }
        if let Some(now) = now {
            self.latest_end.store(now, Relaxed);
        }
    }

    /// The threads that wait in a range of host addresses wait no longer, and were not served.
    pub fn forget(&self, range: Range<usize>) {
        let mut state = self.state.lock();
        while let Some(at) = state.waiting.iter().position(|wait| range.contains(&wait.page)) {
            let wait = state.remove(at);
            if let (Some(blocktime), Some(vcpu)) = (&mut state.blocktime, wait.vcpu) {
                blocktime.forget(vcpu);
            }
        }
    }

    /// How long the vCPUs have waited, if blocktime is kept.
    pub fn blocktime(&self) -> Option<BlocktimeReport> {
        self.state.lock().blocktime.as_ref().map(Blocktime::report)
    }
}

impl State {
    fn begin(&mut self, wait: Wait, stats: &Stats) {
        if let Some(vcpu) = wait.vcpu {
            if let Some(at) = self.waiting.iter().position(|before| before.vcpu == Some(vcpu)) {
                if self.waiting[at].page == wait.page {
                    // Woken for nothing: it waits on, since when it did.
                    return;
                }
                // That page has been placed, or the vCPU would not fault elsewhere; the thread that placed it has not come to
                // count it yet.
                let before = self.remove(at);
                self.count(before, wait.since, stats);
            }
            if let Some(blocktime) = &mut self.blocktime {
                blocktime.begin(vcpu, wait.since);
            }
        } else if self.others == OTHERS {
            return;
        } else {
            self.others += 1;
        }
        self.waiting.push(wait);
    }

    fn remove(&mut self, at: usize) -> Wait {
        let wait = self.waiting.swap_remove(at);
        self.others -= usize::from(wait.vcpu.is_none());
        wait
    }

    /// A wait has ended with its page.
    fn count(&mut self, wait: Wait, now: u64, stats: &Stats) {
        let waited = now.saturating_sub(wait.since);
        stats.latency(waited);
        match (&mut self.blocktime, wait.vcpu) {
            (Some(blocktime), Some(vcpu)) => blocktime.end(vcpu, now),
            (Some(blocktime), None) => blocktime.others.add(waited),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocktime::Waited;
    use super::*;

    fn waits(vcpus: Option<usize>) -> (Waits, Arc<Stats>) {
        let stats = Arc::new(Stats::default());
        (Waits::new(stats.clone(), vcpus).unwrap(), stats)
    }

    fn counted(stats: &Stats) -> u64 {
        stats.read().fault_latency_buckets.iter().sum()
    }

    #[test]
    fn every_thread_that_waits_for_a_page_is_counted_once() {
        let (waits, stats) = waits(Some(2));
        waits.begin(0, [(0x1000, Some(1)), (0x1000, None), (0x2000, Some(0)), (0x1000, Some(7))].into_iter());
        waits.finish(0x1000);
        waits.finish(0x1000);
        assert_eq!(counted(&stats), 3);
        let report = waits.blocktime().unwrap();
        assert_eq!((report.vcpus[0].faults, report.vcpus[1].faults, report.others.faults), (0, 1, 2));
    }

    #[test]
    fn a_vcpu_that_faults_again_has_been_served() {
        let (waits, stats) = waits(Some(1));
        waits.begin(100, [(0x1000, Some(0))].into_iter());
        // It faults on the next page before the first one is counted, and once more on that one, since it was woken for nothing.
        waits.begin(300, [(0x2000, Some(0))].into_iter());
        waits.begin(350, [(0x2000, Some(0))].into_iter());
        waits.finish(0x1000);
        waits.finish(0x2000);
        let Waited { blocked_ns, faults } = waits.blocktime().unwrap().vcpus[0];
        assert_eq!((faults, counted(&stats)), (2, 2));
        assert!(blocked_ns >= 200, "{blocked_ns} ns");
        assert!(stats.read().fault_latency_ns_sum >= 200);
    }

    #[test]
    fn threads_that_are_not_served_are_not_counted() {
        let (waits, stats) = waits(Some(1));
        waits.begin(0, [(0x1000, Some(0)), (0x1000, None), (0x3000, None)].into_iter());
        waits.forget(0x1000..0x2000);
        [0x1000, 0x3000].into_iter().for_each(|page| waits.finish(page));
        assert_eq!(counted(&stats), 1);
        assert_eq!(waits.blocktime().unwrap().vcpus[0].faults, 0);
    }

    #[test]
    fn too_many_go_unmeasured() {
        let (waits, stats) = waits(None);
        waits.begin(0, (0..2 * OTHERS).map(|_| (0x1000, None)));
        waits.finish(0x1000);
        assert_eq!(counted(&stats), OTHERS as u64);
        waits.begin(0, std::iter::once((0x1000, None)));
        waits.finish(0x1000);
        assert_eq!(counted(&stats), OTHERS as u64 + 1);
    }
}
