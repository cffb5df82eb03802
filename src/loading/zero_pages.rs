//! Pages of zeros among bytes that were read as data: a flat dump is full of them.

/// How many bytes are looked at together: a line of the cache.
const STEP: usize = 64;

/// Whether all bytes are zeros, of which there are a multiple of [`STEP`]. It ends at the first step that is not, which for
/// most data is the first of all.
fn is_zero(bytes: &[u8]) -> bool {
    // A fold without an exit is what compilers make vector instructions of.
    bytes.chunks_exact(STEP).all(|step| step.iter().fold(0, |bits, byte| bits | byte) == 0)
}

/// Runs of pages of one kind, with how many there are and whether they are zeros.
pub(super) fn runs(bytes: &[u8], page_size: usize) -> impl Iterator<Item = (usize, bool)> {
    let mut pages = bytes.chunks_exact(page_size).map(is_zero).peekable();
    std::iter::from_fn(move || {
        let zeros = pages.next()?;
        let mut count = 1;
        while pages.next_if_eq(&zeros).is_some() {
            count += 1;
        }
        Some((count, zeros))
    })
}

/// Whether more than half of the pages are zeros.
pub(super) fn are_most(bytes: &[u8], page_size: usize) -> bool {
    let pages = bytes.len() / page_size;
    // It ends where that has become certain.
    let data = bytes.chunks_exact(page_size).filter(|page| !is_zero(page)).take(pages.div_ceil(2)).count();
    2 * data < pages
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const PAGE: usize = 4096;

    #[test]
    fn a_single_byte_is_found_wherever_it_is() {
        let mut page = vec![0; PAGE];
        assert!(is_zero(&page));
        for at in [0, 1, 63, 64, 2047, PAGE - 1] {
            page[at] = 1;
            assert!(!is_zero(&page), "{at}");
            page[at] = 0;
        }
    }

    proptest! {
        #[test]
        fn any_pages_come_in_runs_of_one_kind(zeros in vec(any::<bool>(), 1..40)) {
            let mut bytes = vec![0; zeros.len() * PAGE];
            for (page, _) in zeros.iter().enumerate().filter(|(_, zeros)| !**zeros) {
                bytes[page * PAGE + page * 97 % PAGE] = 1;
            }
            let runs: Vec<_> = runs(&bytes, PAGE).collect();
            let again: Vec<_> = runs.iter().flat_map(|(count, zeros)| std::iter::repeat_n(*zeros, *count)).collect();
            prop_assert_eq!(&again, &zeros);
            prop_assert!(runs.windows(2).all(|two| two[0].1 != two[1].1));
            let count = zeros.iter().filter(|zeros| **zeros).count();
            prop_assert_eq!(are_most(&bytes, PAGE), 2 * count > zeros.len());
        }
    }
}
