//! Whether a fault waits for all of its unit, or for its page only.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How long a fault waits for a unit, about.
const MOST_WAIT: Duration = Duration::from_millis(30);

/// How many faults wait for their pages only, after one has waited too long.
const SINGLY: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Patience {
    /// So many more faults are to wait for their pages only.
    singly: AtomicUsize,
}

impl Patience {
    /// Whether the next fault is to wait for a unit.
    pub fn is_there(&self) -> bool {
        self.singly.fetch_update(Relaxed, Relaxed, |faults| faults.checked_sub(1)).is_err()
    }

    /// A fault has waited for a unit, in vain or not.
    pub fn waited(&self, time: Duration, in_vain: bool) {
        if in_vain || time > MOST_WAIT {
            self.singly.store(SINGLY, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_waited_too_long_waits_for_less() {
        for (time, in_vain) in [(MOST_WAIT * 2, false), (Duration::ZERO, true)] {
            let patience = Patience::default();
            patience.waited(MOST_WAIT, false);
            assert!(patience.is_there());
            patience.waited(time, in_vain);
            assert!((0..SINGLY).all(|_| !patience.is_there()));
            assert!(patience.is_there());
        }
    }
}
