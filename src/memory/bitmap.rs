//! A bitmap that many threads read and write at once.

use std::ops::Range;

use crate::error::{Result, error};
use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};

const BITS: usize = u64::BITS as usize;

/// One bit a page, all clear at first. Every operation is sequentially consistent: what is set in one bitmap and then
/// looked up in another must not pass each other (received and requested).
#[derive(Debug)]
pub(crate) struct AtomicBitmap {
    words: Box<[AtomicU64]>,
    bits: usize,
}

impl AtomicBitmap {
    pub fn new(bits: usize) -> Result<Self> {
        let count = bits.div_ceil(BITS);
        let mut words = Vec::new();
        words.try_reserve_exact(count).map_err(|_| error!(ENOMEM, "no memory for a bitmap of {bits} pages"))?;
        words.resize_with(count, AtomicU64::default);
        Ok(Self { words: words.into_boxed_slice(), bits })
    }

    pub fn len(&self) -> usize {
        self.bits
    }

    pub fn get(&self, bit: usize) -> bool {
        self.words[bit / BITS].load(SeqCst) & (1 << (bit % BITS)) != 0
    }

    /// Sets a range; calls `each` with the bits that were clear before, in words of up to 64 (first bit, mask).
    pub fn set(&self, range: Range<usize>, mut each: impl FnMut(usize, u64)) {
        for (first, mask) in words(range) {
            let newly = mask & !self.words[first / BITS].fetch_or(mask, SeqCst);
            if newly != 0 {
                each(first, newly);
            }
        }
    }

    /// Clears those bits of a word that are in `mask`; says which of them were set. `first` is the word's first bit.
    pub fn take(&self, first: usize, mask: u64) -> u64 {
        let word = &self.words[first / BITS];
        // Mostly none is set: look before writing to a shared cache line.
        if word.load(SeqCst) & mask == 0 { 0 } else { word.fetch_and(!mask, SeqCst) & mask }
    }

    /// Clears all bits; how many were set. Each that another thread sets meanwhile is either among them, or stays.
    pub fn clear_all(&self) -> usize {
        let take = |word: &AtomicU64| if word.load(SeqCst) == 0 { 0 } else { word.swap(0, SeqCst) };
        self.words.iter().map(|word| take(word).count_ones() as usize).sum()
    }

    /// How many bits are set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.load(SeqCst).count_ones() as usize).sum()
    }

    /// The first bit in a range that is set, or that is clear.
    pub fn find(&self, range: Range<usize>, set: bool) -> Option<usize> {
        words(range).find_map(|(first, mask)| {
            let word = self.words[first / BITS].load(SeqCst);
            let wanted = mask & if set { word } else { !word };
            (wanted != 0).then(|| first + wanted.trailing_zeros() as usize)
        })
    }
}

/// The bits of a mask, lowest first, counted from `first`.
pub(crate) fn bits(first: usize, mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(first + lowest)
    })
}

/// The words that a range of bits touches: the first bit of each, and the mask of the bits in the range.
pub(crate) fn words(range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let rest = range.end.checked_sub(at).filter(|rest| *rest > 0)?;
        let (at_word, low) = (at - at % BITS, at % BITS);
        let count = rest.min(BITS - low);
        at += count;
        Some((at_word, (u64::MAX >> (BITS - count)) << low))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Every range of a bitmap against a plain model.
    #[test]
    fn ranges_agree_with_a_model() {
        const LEN: usize = 150;
        for start in 0..LEN {
            for end in start..=LEN {
                let bitmap = AtomicBitmap::new(LEN).unwrap();
                let mut newly = Vec::new();
                bitmap.set(start..end, |first, mask| newly.extend(bits(first, mask)));
                assert_eq!(newly, (start..end).collect::<Vec<_>>());
                assert!((0..LEN).all(|bit| bitmap.get(bit) == (start..end).contains(&bit)));
                assert_eq!(bitmap.find(0..LEN, true), (start < end).then_some(start));
                assert_eq!(bitmap.find(start..LEN, false), (end < LEN).then_some(end));
            }
        }
    }

    #[test]
    fn setting_twice_reports_new_bits_only() {
        let bitmap = AtomicBitmap::new(200).unwrap();
        bitmap.set(60..70, |_, _| {});
        let mut newly = Vec::new();
        bitmap.set(58..72, |first, mask| newly.extend(bits(first, mask)));
        assert_eq!(newly, [58, 59, 70, 71]);
    }

    #[test]
    fn taking_clears_what_was_set() {
        let bitmap = AtomicBitmap::new(128).unwrap();
        bitmap.set(65..67, |_, _| {});
        assert_eq!(bitmap.take(64, 0b1111), 0b0110);
        assert_eq!(bitmap.take(64, 0b1111), 0);
        assert_eq!(bitmap.find(0..128, true), None);
    }

    /// What can be done to a bitmap.
    #[derive(Clone, Debug)]
    enum Step {
        Set(Range<usize>),
        Take { word: usize, mask: u64 },
        ClearAll,
    }

    fn step(len: usize) -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..=len, 0..=len).prop_map(|(a, b)| Step::Set(a.min(b)..a.max(b))),
            4 => (0..len.div_ceil(BITS), any::<u64>()).prop_map(|(word, mask)| Step::Take { word, mask }),
            1 => Just(Step::ClearAll),
        ]
    }

    proptest! {
        /// Whatever is done to it, a bitmap agrees with a vector.
        #[test]
        fn any_steps_agree_with_a_vector(
            (len, steps) in (1..300_usize).prop_flat_map(|len| (Just(len), vec(step(len), 0..20))),
        ) {
            let (bitmap, mut model) = (AtomicBitmap::new(len).unwrap(), vec![false; len]);
            for step in steps {
                match step {
                    Step::Set(range) => {
                        let mut newly = Vec::new();
                        bitmap.set(range.clone(), |first, mask| newly.extend(bits(first, mask)));
                        prop_assert_eq!(newly, range.clone().filter(|bit| !model[*bit]).collect::<Vec<_>>());
                        model[range].fill(true);
                    }
                    Step::Take { word, mask } => {
                        let taken: Vec<_> = bits(word * BITS, bitmap.take(word * BITS, mask)).collect();
                        let wanted = bits(word * BITS, mask).filter(|bit| *bit < len && model[*bit]);
                        prop_assert_eq!(&taken, &wanted.collect::<Vec<_>>());
                        taken.into_iter().for_each(|bit| model[bit] = false);
                    }
                    Step::ClearAll => {
                        bitmap.clear_all();
                        model.fill(false);
                    }
                }
                prop_assert!((0..len).all(|bit| bitmap.get(bit) == model[bit]));
                for (start, set) in (0..len).step_by(7).zip([true, false].into_iter().cycle()) {
                    let end = len - start / 3;
                    let found = (start..end.max(start)).find(|bit| model[*bit] == set);
                    prop_assert_eq!(bitmap.find(start..end, set), found, "{} in {}..{}", set, start, end);
                }
            }
        }
    }
}
