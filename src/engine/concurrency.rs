//! Whether several threads fault concurrently, without a pause: then each page by itself is not enough for them.

use std::time::Duration;

/// A fault that came after a longer pause than this counts for none.
const PAUSE: Duration = Duration::from_micros(200);

/// The share of faults that come right after one of another thread, on average of late, in 1 / FULL. It rises at once and falls
/// slowly: while one thread has the CPU, the others cannot fault, and are there all the same.
const FULL: u32 = 1 << 16;
const RISE: u32 = 4;
const FALL: u32 = 128;

#[derive(Debug, Default)]
pub(super) struct Concurrency {
    /// The thread that faulted last.
    last: u32,
    share: u32,
}

impl Concurrency {
    /// These threads' faults came, so long after the last ones had been served. Whether the threads fault concurrently.
    pub fn update(&mut self, threads: impl Iterator<Item = u32>, idle: Duration) -> bool {
        let soon = idle <= PAUSE;
        for thread in threads {
            if soon && thread != self.last {
                self.share += (FULL - self.share) / RISE;
            } else {
                self.share -= self.share / FALL;
            }
            self.last = thread;
        }
        self.share >= FULL / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict after 100 faults, of as many threads in turn, each after so long.
    fn after_100_faults(threads: u32, idle: Duration) -> bool {
        let mut concurrency = Concurrency::default();
        (1..=100).fold(false, |_, number| concurrency.update([1 + number % threads].into_iter(), idle))
    }

    #[test]
    fn threads_that_fault_in_turn_are_concurrent() {
        assert!(after_100_faults(2, Duration::from_micros(10)));
        assert!(after_100_faults(8, Duration::from_micros(10)));
    }

    #[test]
    fn one_thread_is_not() {
        assert!(!after_100_faults(1, Duration::from_micros(10)));
    }

    #[test]
    fn faults_now_and_then_are_not() {
        assert!(!after_100_faults(4, Duration::from_millis(1)));
    }

    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let mut concurrency = Concurrency::default();
        assert!(!concurrency.update([1, 2].into_iter(), Duration::ZERO));
        assert!(concurrency.update([1, 2].into_iter(), Duration::ZERO));
        assert!(concurrency.update([2; 16].into_iter(), Duration::ZERO));
        assert!(!concurrency.update([2; 128].into_iter(), Duration::ZERO));
    }
}
