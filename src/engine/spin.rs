//! How long to look for the next fault before sleeping: longer when that finds faults, not at all when it does not.

use std::time::Duration;

/// What it costs to wake a fault thread that sleeps on an idle CPU, about: a fault that came this much later than the
/// longest spin would have been met by it.
const WAKING: Duration = Duration::from_micros(100);

/// How many sleeps in a row have to be so short that spinning is tried, at first and at most.
const FIRST_SHORT_SLEEPS: u32 = 4;
const MOST_SHORT_SLEEPS: u32 = 4096;

/// The time to spin, which learns from what became of it.
#[derive(Debug)]
pub(super) struct Spin {
    longest: Duration,
    /// How long to spin now.
    time: Duration,
    /// Short sleeps in a row.
    short_sleeps: u32,
    /// How many of them it takes to spin again.
    needed: u32,
}

impl Spin {
    /// Spins for `longest` at most; 0: never.
    pub fn new(longest: Duration) -> Self {
        Self { longest, time: Duration::ZERO, short_sleeps: 0, needed: FIRST_SHORT_SLEEPS }
    }

    /// How long to look for a fault now.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Looking found a fault.
    pub fn hit(&mut self) {
        self.time = self.longest.min(self.time * 2);
        self.needed = FIRST_SHORT_SLEEPS;
    }

    /// Looking found nothing.
    pub fn missed(&mut self) {
        self.time /= 2;
        if self.time < Duration::from_micros(1) {
            self.time = Duration::ZERO;
            // It has to look more promising before it is tried again.
            self.needed = MOST_SHORT_SLEEPS.min(self.needed * 2);
            self.short_sleeps = 0;
        }
    }

    /// A fault has ended a sleep, so long after the one before it was served.
    pub fn slept(&mut self, pause: Duration) {
        if pause > self.longest + WAKING {
            self.short_sleeps = 0;
            return;
        }
        self.short_sleeps += 1;
        if self.time.is_zero() && self.short_sleeps >= self.needed {
            self.time = self.longest;
            self.short_sleeps = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_micros(64);

    /// How many short sleeps it takes until it spins.
    fn after_short_sleeps(spin: &mut Spin) -> u32 {
        let mut sleeps = 0;
        while spin.time().is_zero() && sleeps < 2 * MOST_SHORT_SLEEPS {
            spin.slept(LONGEST);
            sleeps += 1;
        }
        sleeps
    }

    #[test]
    fn begins_when_faults_come_fast() {
        let mut spin = Spin::new(LONGEST);
        assert_eq!(spin.time(), Duration::ZERO);
        assert_eq!(after_short_sleeps(&mut spin), FIRST_SHORT_SLEEPS);
        assert_eq!(spin.time(), LONGEST);
        (0..10).for_each(|_| spin.hit());
        assert_eq!(spin.time(), LONGEST);
    }

    #[test]
    fn faults_that_come_slowly_are_slept_for() {
        let mut spin = Spin::new(LONGEST);
        for _ in 0..1000 {
            spin.slept(LONGEST);
            spin.slept(Duration::from_millis(1));
        }
        assert_eq!(spin.time(), Duration::ZERO);
    }

    #[test]
    fn shrinks_to_nothing_where_it_finds_nothing_and_is_tried_less_and_less() {
        let mut spin = Spin::new(LONGEST);
        let mut tried_after = FIRST_SHORT_SLEEPS;
        for _ in 0..20 {
            assert_eq!(after_short_sleeps(&mut spin), tried_after);
            while !spin.time().is_zero() {
                spin.missed();
            }
            tried_after = MOST_SHORT_SLEEPS.min(tried_after * 2);
        }
    }

    #[test]
    fn never_without_time_to_spin() {
        let mut spin = Spin::new(Duration::ZERO);
        (0..100).for_each(|_| spin.slept(Duration::ZERO));
        assert_eq!(spin.time(), Duration::ZERO);
    }
}
