//! Counters and the latency histogram: counted anywhere at any time, read one by one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many buckets the latency histogram has.
pub const LATENCY_BUCKETS: usize = 24;

/// The counters of one set-up.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub faults: AtomicU64,
    pub pages_placed: AtomicU64,
    pub zero_pages_placed: AtomicU64,
    pub pages_requested: AtomicU64,
    pub source_errors: AtomicU64,
    pub pages_poisoned: AtomicU64,
    pub bytes_total: AtomicU64,
    pub bytes_loaded: AtomicU64,
    pub bytes_mapped: AtomicU64,
    pub bytes_of_zeros: AtomicU64,
    pub bytes_moved: AtomicU64,
    pub bytes_read_cached: AtomicU64,
    pub bytes_read_waiting: AtomicU64,
    pub bytes_read_on_demand: AtomicU64,
    latency_ns_sum: AtomicU64,
    latency_buckets: [AtomicU64; LATENCY_BUCKETS],
}

impl Stats {
    /// Adds to a counter.
    pub fn count(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Relaxed);
    }

    /// A page was placed this long after its fault was read.
    pub fn latency(&self, ns: u64) {
        Self::count(&self.latency_ns_sum, ns);
        Self::count(&self.latency_buckets[bucket(ns)], 1);
    }

    pub fn read(&self) -> Statistics {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        Statistics {
            faults: get(&self.faults),
            pages_placed: get(&self.pages_placed),
            zero_pages_placed: get(&self.zero_pages_placed),
            pages_requested: get(&self.pages_requested),
            source_errors: get(&self.source_errors),
            pages_poisoned: get(&self.pages_poisoned),
            bytes_total: get(&self.bytes_total),
            bytes_loaded: get(&self.bytes_loaded),
            bytes_mapped: get(&self.bytes_mapped),
            bytes_of_zeros: get(&self.bytes_of_zeros),
            bytes_moved: get(&self.bytes_moved),
            bytes_read_cached: get(&self.bytes_read_cached),
            bytes_read_waiting: get(&self.bytes_read_waiting),
            bytes_read_on_demand: get(&self.bytes_read_on_demand),
            fault_latency_ns_sum: get(&self.latency_ns_sum),
            fault_latency_buckets: self.latency_buckets.each_ref().map(get),
            ..Statistics::default()
        }
    }
}

/// 0: below 1 us; i: from 2^(i-1) us to below 2^i us; the last bucket takes the rest.
fn bucket(ns: u64) -> usize {
    let us = ns / 1000;
    ((u64::BITS - us.leading_zeros()) as usize).min(LATENCY_BUCKETS - 1)
}

/// The counters as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Faults read from the kernel.
    pub faults: u64,
    /// Pages (of their block's page size) placed with data.
    pub pages_placed: u64,
    /// Pages placed as zeros, those included that the guest had discarded.
    pub zero_pages_placed: u64,
    /// Pages that the handler was asked for.
    pub pages_requested: u64,
    /// Calls of the handler, and reads of the snapshot, that failed.
    pub source_errors: u64,
    /// Pages that have been poisoned; those that have been placed later are still counted.
    pub pages_poisoned: u64,
    /// Bytes of RAM a snapshot load is to place; 0 without one.
    pub bytes_total: u64,
    /// How many of them have been placed.
    pub bytes_loaded: u64,
    /// How many bytes of RAM are a mapping of the snapshot's file.
    pub bytes_mapped: u64,
    /// How many bytes of a snapshot's data were found to be pages of zeros, and were placed as such.
    pub bytes_of_zeros: u64,
    /// How many bytes were placed by moving pages, and not by copying.
    pub bytes_moved: u64,
    /// How many bytes of the snapshot were read from the page cache, without waiting; with the zeros between them.
    pub bytes_read_cached: u64,
    /// How many bytes were read by calls that wait for the disk where they have to: all, on file systems that do not tell.
    pub bytes_read_waiting: u64,
    /// How many bytes of both a fault thread has read, for a thread that waited. The rest was read in the background.
    pub bytes_read_on_demand: u64,
    /// How long the thread has waited that has waited longest for a page and still does, in nanoseconds; 0 if none waits.
    pub oldest_wait_ns: u64,
    /// How many threads wait for a page.
    pub threads_waiting: u32,
    /// Sum of the times from reading a fault to its page being placed, in nanoseconds.
    pub fault_latency_ns_sum: u64,
    /// Bucket 0: below 1 us; bucket i: from 2^(i-1) us to below 2^i us; the last has no upper end.
    pub fault_latency_buckets: [u64; LATENCY_BUCKETS],
    /// How many fault threads serve now.
    pub fault_threads: u32,
    /// Paused now.
    pub paused: bool,
    /// A snapshot load has placed every page.
    pub complete: bool,
}

/// The progress of one RAM block. All counts are of now; they are 0 before a set-up and after a clean-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockStatistics {
    /// Bytes.
    pub length: u64,
    /// The size in which pages are asked for and placed.
    pub page_size: u64,
    /// How many bytes have been placed, marked received, or discarded while discards are tracked.
    pub bytes_received: u64,
    /// Pages that the source was asked for and that have not been placed.
    pub pages_requested: u64,
    /// Pages that were poisoned in this set-up and have not been placed since.
    pub pages_poisoned: u64,
    /// How many threads wait for a page of this block, as far as their faults have been read.
    pub threads_waiting: u32,
    /// The longest time, in nanoseconds, that one of these threads has been waiting so far; 0 if none waits.
    pub oldest_wait_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_powers_of_two_microseconds() {
        let cases = [(0, 0), (999, 0), (1_000, 1), (1_999, 1), (2_000, 2), (3_999, 2), (4_000, 3), (u64::MAX, 23)];
        for (ns, expected) in cases {
            assert_eq!(bucket(ns), expected, "{ns} ns");
        }
    }

    #[test]
    fn latencies_are_summed_and_binned() {
        let stats = Stats::default();
        stats.latency(500);
        stats.latency(1_500);
        let read = stats.read();
        assert_eq!(read.fault_latency_ns_sum, 2_000);
        assert_eq!(read.fault_latency_buckets[..3], [1, 1, 0]);
    }
}
