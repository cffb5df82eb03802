//! Whether a fault waits for all of its unit, or for its page only.

use std::time::Duration;

/// How long a fault waits for a unit, about.
const MOST_WAIT: Duration = Duration::from_millis(30);

/// How many faults wait for their pages only, after one has waited too long.
const PAGES_ONLY: usize = 16;

/// Of the threads of one userfaultfd.
#[derive(Debug, Default)]
pub(super) struct UnitBackoff {
    /// So many more faults are to wait for their pages only.
    pages_only: usize,
    /// So many wait for their units now.
    waiting: usize,
    /// The last one did not wait for long: several may at once.
    is_quick: bool,
}

impl UnitBackoff {
    /// Whether the next fault is to wait for its unit, which [`UnitBackoff::waited`] then follows.
    pub fn is_unit_next(&mut self) -> bool {
        if self.pages_only > 0 {
            self.pages_only -= 1;
            return false;
        }
        let waits = self.is_quick || self.waiting == 0;
        self.waiting += usize::from(waits);
        waits
    }

    /// A fault has waited for a unit; whether that failed.
    pub fn waited(&mut self, time: Duration, failed: bool) {
        self.waiting -= 1;
        self.is_quick = !failed && time <= MOST_WAIT;
        if !self.is_quick {
            self.pages_only = PAGES_ONLY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_wait_that_was_too_long_pages_are_read_alone() {
        for (time, failed) in [(MOST_WAIT * 2, false), (Duration::ZERO, true)] {
            let mut backoff = UnitBackoff::default();
            assert!(backoff.is_unit_next());
            backoff.waited(MOST_WAIT, false);
            assert!(backoff.is_unit_next());
            backoff.waited(time, failed);
            assert!((0..PAGES_ONLY).all(|_| !backoff.is_unit_next()));
            assert!(backoff.is_unit_next());
        }
    }

    #[test]
    fn several_wait_at_once_where_one_has_not_waited_for_long() {
        let mut backoff = UnitBackoff::default();
        assert!(backoff.is_unit_next() && !backoff.is_unit_next());
        backoff.waited(MOST_WAIT, false);
        assert!(backoff.is_unit_next() && backoff.is_unit_next());
    }
}
