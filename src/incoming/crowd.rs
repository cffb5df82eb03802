//! Whether several threads fault by turns, without a pause: then each page by itself is not enough for them.

use std::time::Duration;

/// A fault that has been waited for longer than this is not in a crowd.
const PAUSE: Duration = Duration::from_micros(200);

/// How many faults come right after one of another thread, on average of late, in 1 / FULL. A crowd is known at once, and
/// long after: while one thread has the CPU, the others cannot fault, and are there all the same.
const FULL: u32 = 1 << 16;
const RISE: u32 = 4;
const FALL: u32 = 128;

#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// The thread that faulted last.
    last: u32,
    share: u32,
}

impl Crowd {
    /// These threads' faults came, so long after the last ones had been served. Whether they are in a crowd.
    pub fn came(&mut self, threads: impl Iterator<Item = u32>, idle: Duration) -> bool {
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

    /// Whether it is a crowd after 100 faults, of as many threads by turns, each after so long.
    fn is_crowd(threads: u32, idle: Duration) -> bool {
        let mut crowd = Crowd::default();
        (1..=100).fold(false, |_, number| crowd.came([1 + number % threads].into_iter(), idle))
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
        assert!(!crowd.came([1, 2].into_iter(), Duration::ZERO));
        assert!(crowd.came([1, 2].into_iter(), Duration::ZERO));
        assert!(crowd.came([2; 16].into_iter(), Duration::ZERO));
        assert!(!crowd.came([2; 128].into_iter(), Duration::ZERO));
    }
}
