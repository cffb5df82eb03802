//! Which threads wait for which pages, and since when: for the latency of faults, and for blocktime.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::blocktime::{Blocktime, BlocktimeReport};
use crate::error::{Result, error};
use crate::stats::Stats;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

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
    /// There is a slow wait to tell of.
    is_slow: AtomicBool,
    stats: Arc<Stats>,
}

#[derive(Debug)]
struct State {
    /// One at most for each thread, which waits for one page at a time.
    waiting: Vec<Wait>,
    /// How many of them are of other threads.
    others: usize,
    blocktime: Option<Blocktime>,
    /// The slowest wait that has ended and was not told of yet.
    slow: Option<PageWait>,
}

/// A thread waits for the page at a host address.
#[derive(Clone, Copy, Debug)]
struct Wait {
    page: usize,
    since: u64,
    thread: u32,
    vcpu: Option<usize>,
}

/// A thread that faulted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    /// The kernel's number of it.
    pub thread: u32,
    /// Which vCPU it is, if blocktime is kept and it is one.
    pub vcpu: Option<u32>,
}

/// A thread that waits, or has waited, for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageWait {
    /// The page's host address.
    pub page: usize,
    pub thread: u32,
    pub vcpu: Option<usize>,
    pub ns: u64,
}

/// Who waits now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waiting {
    /// How many threads.
    pub threads: usize,
    /// Those that have waited longest, the longest first.
    pub oldest: [Option<PageWait>; SHOWN],
}

/// All addresses: see [`Waits::now_waiting`].
pub(crate) const EVERYWHERE: Range<usize> = 0..usize::MAX;

/// So many waits are told of one by one.
const SHOWN: usize = 16;

/// A wait that took so long, in nanoseconds, is worth a warning.
const SLOW: u64 = 10_000_000_000;

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
        let state = Mutex::new(State { waiting, others: 0, blocktime, slow: None });
        let (latest_end, is_slow) = (AtomicU64::new(0), AtomicBool::new(false));
        Ok(Self { state, vcpus: number, clock: Instant::now(), latest_end, is_slow, stats })
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

    /// Threads wait since `now`, each for a page.
    pub fn begin(&self, now: u64, faults: impl Iterator<Item = (usize, Waiter)>) {
        let mut state = self.state.lock();
        for (page, Waiter { thread, vcpu }) in faults {
            let vcpu = vcpu.map(|vcpu| vcpu as usize).filter(|vcpu| *vcpu < self.vcpus);
            state.begin(Wait { page, since: now, thread, vcpu }, &self.stats);
        }
    }

    /// A page has been placed: no thread waits for it any more.
    pub fn finish(&self, page: usize) {
        let mut state = self.state.lock();
        let mut now = None;
        while let Some(at) = state.waiting.iter().position(|wait| wait.page == page) {
            let wait = state.remove(at);
            let end = *now.get_or_insert_with(|| self.now());
            state.count(wait, end, &self.stats);
            let waited = wait.until(end);
            if waited.ns >= SLOW && state.slow.is_none_or(|slow| slow.ns < waited.ns) {
                state.slow = Some(waited);
                self.is_slow.store(true, Relaxed);
            }
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

    /// The slowest of the waits that took very long and have ended since this was asked last.
    pub fn take_slow(&self) -> Option<PageWait> {
        if !self.is_slow.load(Relaxed) {
            return None;
        }
        let mut state = self.state.lock();
        self.is_slow.store(false, Relaxed);
        state.slow.take()
    }

    /// Who waits now; None if another thread is just changing that.
    pub fn try_waiting(&self) -> Option<Waiting> {
        let state = self.state.try_lock()?;
        let now = self.now();
        let mut waiting = Waiting { threads: state.waiting.len(), ..Waiting::default() };
        for wait in &state.waiting {
            let mut next = Some(wait.until(now));
            for slot in &mut waiting.oldest {
                if slot.is_none_or(|slot| next.is_some_and(|next| next.ns > slot.ns)) {
                    std::mem::swap(slot, &mut next);
                }
            }
        }
        Some(waiting)
    }

    /// How many threads wait now for pages at these addresses, and for how many nanoseconds the one that has waited longest.
    pub fn now_waiting(&self, memory: &Range<usize>) -> (usize, u64) {
        let state = self.state.lock();
        let here = || state.waiting.iter().filter(|wait| memory.contains(&wait.page));
        let first = here().map(|wait| wait.since).min();
        (here().count(), first.map_or(0, |first| self.now().saturating_sub(first)))
    }

    /// How long the vCPUs have waited, if blocktime is kept.
    pub fn blocktime(&self) -> Option<BlocktimeReport> {
        self.state.lock().blocktime.as_ref().map(Blocktime::report)
    }
}

impl Wait {
    /// A thread that the kernel gives no number of, as of another PID namespace, may be any.
    fn is_of_same_thread(&self, other: &Self) -> bool {
        self.vcpu == other.vcpu && (self.vcpu.is_some() || (self.thread == other.thread && self.thread != 0))
    }

    fn until(&self, now: u64) -> PageWait {
        let Self { page, since, thread, vcpu } = *self;
        PageWait { page, thread, vcpu, ns: now.saturating_sub(since) }
    }
}

impl State {
    fn begin(&mut self, wait: Wait, stats: &Stats) {
        if let Some(at) = self.waiting.iter().position(|before| before.is_of_same_thread(&wait)) {
            if self.waiting[at].page == wait.page {
                // Woken for nothing, or by a signal: it waits on, since when it did.
                return;
            }
            // That page has been placed, or the thread would not fault elsewhere; the thread that placed it has not come to
            // count it yet.
            let before = self.remove(at);
            self.count(before, wait.since, stats);
        }
        if let Some(vcpu) = wait.vcpu {
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
    use std::time::Duration;

    use super::super::blocktime::Waited;
    use super::*;

    fn waits(vcpus: Option<usize>) -> (Waits, Arc<Stats>) {
        let stats = Arc::new(Stats::default());
        (Waits::new(stats.clone(), vcpus).unwrap(), stats)
    }

    fn vcpu(number: u32) -> Waiter {
        Waiter { thread: 100 + number, vcpu: Some(number) }
    }

    /// A thread of which nothing is known.
    fn unknown() -> Waiter {
        Waiter { thread: 0, vcpu: None }
    }

    fn other() -> Waiter {
        Waiter { thread: 99, vcpu: None }
    }

    fn counted(stats: &Stats) -> u64 {
        stats.read().fault_latency_buckets.iter().sum()
    }

    #[test]
    fn every_thread_that_waits_for_a_page_is_counted_once() {
        let (waits, stats) = waits(Some(2));
        waits.begin(0, [(0x1000, vcpu(1)), (0x1000, other()), (0x2000, vcpu(0)), (0x1000, vcpu(7))].into_iter());
        waits.finish(0x1000);
        waits.finish(0x1000);
        assert_eq!(counted(&stats), 3);
        let report = waits.blocktime().unwrap();
        assert_eq!((report.vcpus[0].faults, report.vcpus[1].faults, report.others.faults), (0, 1, 2));
    }

    #[test]
    fn a_vcpu_that_faults_again_has_been_served() {
        let (waits, stats) = waits(Some(1));
        waits.begin(100, [(0x1000, vcpu(0))].into_iter());
        // It faults on the next page before the first one is counted, and once more on that one, since it was woken for nothing.
        waits.begin(300, [(0x2000, vcpu(0))].into_iter());
        waits.begin(350, [(0x2000, vcpu(0))].into_iter());
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
        waits.begin(0, [(0x1000, vcpu(0)), (0x1000, other()), (0x3000, unknown())].into_iter());
        waits.forget(0x1000..0x2000);
        [0x1000, 0x3000].into_iter().for_each(|page| waits.finish(page));
        assert_eq!(counted(&stats), 1);
        assert_eq!(waits.blocktime().unwrap().vcpus[0].faults, 0);
    }

    #[test]
    fn the_longest_waits_are_told_of_first() {
        let (mut waits, _) = waits(Some(1));
        waits.clock -= Duration::from_secs(100);
        for number in 0..20_u64 {
            // In no order: 0, 7, 14, 1, 8, ...
            let since = number * 7 % 20;
            waits.begin(since, [(0x1000, Waiter { thread: since as u32, vcpu: None })].into_iter());
        }
        waits.begin(30, [(0x2000, vcpu(0))].into_iter());
        let waiting = waits.try_waiting().unwrap();
        assert_eq!(waiting.threads, 21);
        let threads: Vec<_> = waiting.oldest.iter().flatten().map(|wait| wait.thread).collect();
        assert_eq!(threads, Vec::from_iter(0..16));
        let (threads, ns) = waits.now_waiting(&EVERYWHERE);
        assert!(threads == 21 && ns >= 100_000_000_000, "{threads} threads, {ns} ns");
        assert_eq!(waits.now_waiting(&(0x2000..0x3000)).0, 1);
        assert_eq!(waits.now_waiting(&(0x3000..0x4000)), (0, 0));
    }

    #[test]
    fn the_slowest_wait_is_told_of_once() {
        let (mut waits, _) = waits(None);
        waits.clock -= Duration::from_secs(100);
        let now = waits.now();
        let since = [now - SLOW / 2, now - 2 * SLOW, now - 3 * SLOW];
        for (page, since) in since.into_iter().enumerate() {
            waits.begin(since, [(page, other())].into_iter());
        }
        assert_eq!(waits.take_slow(), None);
        waits.finish(0);
        assert_eq!(waits.take_slow(), None);
        waits.finish(1);
        waits.finish(2);
        assert_eq!(waits.take_slow().map(|slow| slow.page), Some(2));
        assert_eq!(waits.take_slow(), None);
    }

    #[test]
    fn a_thread_that_a_signal_wakes_waits_on() {
        let (waits, stats) = waits(None);
        for since in 0..5 {
            waits.begin(since, [(0x1000, other())].into_iter());
        }
        assert_eq!(waits.now_waiting(&EVERYWHERE).0, 1);
        // Elsewhere: the page before has come.
        waits.begin(5, [(0x2000, other())].into_iter());
        assert_eq!((waits.now_waiting(&EVERYWHERE).0, counted(&stats)), (1, 1));
        waits.finish(0x2000);
        waits.finish(0x1000);
        assert_eq!((waits.now_waiting(&EVERYWHERE).0, counted(&stats)), (0, 2));
    }

    #[test]
    fn too_many_go_unmeasured() {
        let (waits, stats) = waits(None);
        waits.begin(0, (0..2 * OTHERS).map(|_| (0x1000, unknown())));
        waits.finish(0x1000);
        assert_eq!(counted(&stats), OTHERS as u64);
        waits.begin(0, std::iter::once((0x1000, other())));
        waits.finish(0x1000);
        assert_eq!(counted(&stats), OTHERS as u64 + 1);
    }
}
