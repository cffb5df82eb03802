//! Which target pages of a RAM block a snapshot's file holds.

use std::ops::Range;

use super::cursor::Cursor;
use crate::error::{Result, with_room};

/// One bit a target page: set when the file holds its data, clear when it is zeros and the file's bytes are stale.
#[derive(Debug)]
pub(super) struct DataPages {
    /// Bit `page % 64` of word `page / 64`; the bits beyond the last page are clear.
    words: Vec<u64>,
}

impl DataPages {
    /// A bitmap for `pages` pages, none of which has data.
    pub(super) fn none(pages: u64) -> Result<Self> {
        let count = pages.div_ceil(64) as usize;
        let mut words = with_room(count, format_args!("the bitmap of {pages} pages"))?;
        words.resize(count, 0);
        Ok(Self { words })
    }

    /// Reads the bitmap of `pages` pages as mapped-ram has it: little-endian 64-bit words.
    pub(super) fn read(cursor: &mut Cursor<'_>, pages: u64) -> Result<Self> {
        // Before anything is allocated: a file can claim any number of pages.
        cursor.end_of(pages.div_ceil(64) * 8, "the bitmap")?;
        let mut bitmap = Self::none(pages)?;
        let mut buffer = [0; 8192];
        for words in bitmap.words.chunks_mut(buffer.len() / 8) {
            let bytes = &mut buffer[..words.len() * 8];
            cursor.bytes(bytes, "the bitmap")?;
            for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = u64::from_le_bytes(bytes.try_into().expect("a chunk of 8 bytes"));
            }
        }
        if pages % 64 != 0 {
            let last = bitmap.words.last_mut().expect("not 0 pages");
            *last &= (1 << (pages % 64)) - 1;
        }
        Ok(bitmap)
    }

    /// Notes that the file holds these pages.
    pub(super) fn set(&mut self, pages: Range<u64>) {
        for page in pages {
            self.words[(page / 64) as usize] |= 1 << (page % 64);
        }
    }

    pub(super) fn contains(&self, page: u64) -> bool {
        self.words[(page / 64) as usize] >> (page % 64) & 1 != 0
    }

    /// All bits in words, as many as it takes.
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// How many pages the file holds.
    pub(super) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The page behind the last one that the file holds; 0 when it holds none.
    pub(super) fn end(&self) -> u64 {
        let last = self.words.iter().enumerate().rfind(|(_, word)| **word != 0);
        last.map_or(0, |(index, word)| index as u64 * 64 + u64::from(64 - word.leading_zeros()))
    }

    /// The first page of `pages` that is not of the first one's kind, or the end of `pages`, which are not empty.
    pub(super) fn end_of_run(&self, pages: Range<u64>) -> u64 {
        let same = if self.contains(pages.start) { u64::MAX } else { 0 };
        let mut index = pages.start / 64;
        let mut others = (self.words[index as usize] ^ same) & (u64::MAX << (pages.start % 64));
        while others == 0 {
            index += 1;
            if index * 64 >= pages.end {
                return pages.end;
            }
            others = self.words[index as usize] ^ same;
        }
        pages.end.min(index * 64 + u64::from(others.trailing_zeros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    #[test]
    fn runs_end_where_the_kind_changes_across_words() {
        let mut bitmap = DataPages::none(200).unwrap();
        bitmap.set(60..130);
        bitmap.set(199..200);
        assert_eq!((bitmap.count(), bitmap.end()), (71, 200));
        for (pages, end) in [(0..200, 60), (59..200, 60), (60..200, 130), (64..200, 130), (60..100, 100)] {
            assert_eq!(bitmap.end_of_run(pages.clone()), end, "the end of the run at the start of {pages:?}");
        }
        assert_eq!(bitmap.end_of_run(130..200), 199);
        assert_eq!(bitmap.end_of_run(130..140), 140);
        assert_eq!(bitmap.end_of_run(199..200), 200);
    }

    #[test]
    fn every_run_agrees_with_single_bits() {
        let mut bitmap = DataPages::none(150).unwrap();
        for page in [0, 1, 63, 64, 65, 127, 128, 149] {
            bitmap.set(page..page + 1);
        }
        for start in 0..150 {
            for end in start + 1..=150 {
                let expected =
                    (start..end).find(|page| bitmap.contains(*page) != bitmap.contains(start)).unwrap_or(end);
                assert_eq!(bitmap.end_of_run(start..end), expected, "the run at {start} below {end}");
            }
        }
    }

    #[test]
    fn an_absurd_number_of_pages_is_an_error() {
        let error = DataPages::none(u64::MAX).unwrap_err();
        assert_eq!(error.errno(), libc::ENOMEM, "{error}");
    }

    proptest! {
        /// Whichever pages have data, runs, count and end are as a vector has them.
        #[test]
        fn any_pages_agree_with_a_vector(
            runs in vec((0..3_u64, 1..90_u64), 1..12),
            ranges in vec((any::<Index>(), any::<Index>()), 20),
        ) {
            let pages: Vec<bool> = runs.iter().flat_map(|(kind, pages)| (0..*pages).map(move |_| *kind == 0)).collect();
            let mut bitmap = DataPages::none(pages.len() as u64).unwrap();
            let mut at = 0;
            for (kind, pages) in runs {
                if kind == 0 {
                    bitmap.set(at..at + pages);
                }
                at += pages;
            }
            prop_assert!((0..pages.len()).all(|page| bitmap.contains(page as u64) == pages[page]));
            prop_assert_eq!(bitmap.count(), pages.iter().filter(|data| **data).count() as u64);
            prop_assert_eq!(bitmap.end(), pages.iter().rposition(|data| *data).map_or(0, |last| last as u64 + 1));
            for (a, b) in ranges {
                let (a, b) = (a.index(pages.len()), b.index(pages.len()));
                let (start, end) = (a.min(b), a.max(b) + 1);
                let wanted = (start..end).find(|page| pages[*page] != pages[start]).unwrap_or(end);
                prop_assert_eq!(bitmap.end_of_run(start as u64..end as u64), wanted as u64, "{}..{}", start, end);
            }
        }
    }
}
