//! Whether several threads fault by turns, without a pause: then each page by itself is not enough for them.

use std::time::Duration;

/// A fault that comes later than this after the one before is not in a crowd.
const PAUSE: Duration = Duration::from_micros(200);

/// How many faults come right after one of another thread, on average of late, in 1 / FULL. A crowd is known at once, and
/// long after: while one thread has the CPU, the others cannot fault, and are there all the same.
const FULL: u32 = 1 << 16;
const RISE: u32 = 4;
const FALL: u32 = 128;

#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// The thread that faulted last, and when (nanoseconds of some clock).
    last: u32,
    at: u64,
    share: u32,
}

impl Crowd {
    /// These threads' faults were read `now`. Whether they are in a crowd.
    pub fn came(&mut self, threads: impl Iterator<Item = u32>, now: u64) -> bool {
        let soon = now.saturating_sub(self.at) <= PAUSE.as_nanos() as u64;
        for thread in threads {
            if soon && thread != self.last {
                self.share += (FULL - self.share) / RISE;
            } else {
                self.share -= self.share / FALL;
            }
            self.last = thread;
        }
        self.at = now;
        self.share >= FULL / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is a crowd after 100 faults, of as many threads by turns, so far apart.
    fn is_crowd(threads: u32, apart: Duration) -> bool {
        let mut crowd = Crowd::default();
        let faults = (1..=100).map(|number| (1 + number % threads, number as u64 * apart.as_nanos() as u64));
        faults.fold(false, |_, (thread, now)| crowd.came([thread].into_iter(), now))
    }

    #[test]
    fn threads_by_turns_are_a_crowd() {
        assert!(is_crowd(2, Duration::from_micros(10)));
        assert!(is_crowd(8, Duration::from_micros(10)));
    }

    #[test]
    fn one_thread_is_none() {
        assert!(!is_crowd(1, Duration::from_micros(10)));
    }

    #[test]
    fn faults_now_and_then_are_none() {
        assert!(!is_crowd(4, Duration::from_millis(1)));
    }

    #[test]
    fn it_is_known_soon_and_long_after() {
        let mut crowd = Crowd::default();
        assert!(!crowd.came([1, 2].into_iter(), 0));
        assert!(crowd.came([1, 2].into_iter(), 10));
        assert!(crowd.came([2; 16].into_iter(), 20));
        assert!(!crowd.came([2; 128].into_iter(), 30));
    }
}
