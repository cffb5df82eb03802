//! How many pieces of a working set are fetched ahead of those that are being placed.

use std::time::Duration;

/// What is fetched ahead takes the storage so long, about: a fault that needs something else waits behind it.
const TIME: Duration = Duration::from_millis(30);

const LEAST: usize = 2;
const MOST: usize = 16;

/// Of one load.
#[derive(Debug)]
pub(super) struct Ahead {
    pieces: usize,
}

impl Ahead {
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// A piece was waited for, though it had been fetched ahead, if it had: so long does the storage take for each. One that
    /// serves many reads at once seems the quicker the more it is asked for.
    pub fn waited(&mut self, time: Duration) {
        let pieces = TIME.as_nanos() / time.as_nanos().max(1);
        self.pieces = usize::try_from(pieces).unwrap_or(MOST).clamp(LEAST, MOST);
    }
}

impl Default for Ahead {
    fn default() -> Self {
        Self { pieces: LEAST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_fetched_ahead_as_take_a_short_time() {
        let mut ahead = Ahead::default();
        let mut after = |milliseconds| {
            ahead.waited(Duration::from_millis(milliseconds));
            ahead.pieces()
        };
        assert_eq!([0, 1, 3, 10, 15, 1000, 0].map(&mut after), [MOST, MOST, 10, 3, LEAST, LEAST, MOST]);
    }
}
