//! Whether a fault waits for all of its unit, or for its page only.

use std::time::Duration;

/// How long a fault waits for a unit, about.
const MOST_WAIT: Duration = Duration::from_millis(30);

/// How many faults wait for their pages only, after one has waited too long.
const PAGES_ONLY: usize = 16;

/// Of one fault thread.
#[derive(Debug, Default)]
pub(super) struct UnitBackoff {
    /// So many more faults are to wait for their pages only.
    pages_only: usize,
}

impl UnitBackoff {
    /// Whether the next fault is to wait for its unit.
    pub fn is_unit_next(&mut self) -> bool {
        let is_over = self.pages_only == 0;
        self.pages_only = self.pages_only.saturating_sub(1);
        is_over
    }

    /// A fault has waited for a unit; whether that failed.
    pub fn waited(&mut self, time: Duration, failed: bool) {
        if failed || time > MOST_WAIT {
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
            backoff.waited(MOST_WAIT, false);
            assert!(backoff.is_unit_next());
            backoff.waited(time, failed);
            assert!((0..PAGES_ONLY).all(|_| !backoff.is_unit_next()));
            assert!(backoff.is_unit_next());
        }
    }
}
