//! Where a load moves pages rather than copying them: they are huge ones then, of the node that the loader runs on. So it is only
//! where the RAM wants that.

use crate::engine::Registration;
use crate::kernel::{Maps, Numa, want_huge_pages};
use crate::memory::BlockTable;

/// Decides it for RAM that has just been emptied; what is there of it makes it slow to ask.
pub(super) fn decide(registration: &Registration, table: &BlockTable, maps: &Maps) {
    let candidates: Vec<usize> = (0..table.blocks().len()).filter(|index| registration.can_move(*index)).collect();
    if candidates.is_empty() {
        return;
    }
    let ranges: Vec<_> = candidates.iter().map(|index| table.blocks()[*index].addresses()).collect();
    let wanted = want_huge_pages(&ranges);
    let numa = wanted.contains(&true).then(Numa::new);
    for ((index, range), wanted) in candidates.iter().zip(ranges).zip(wanted) {
        let anywhere = || {
            let mut parts = maps.parts(range.start, range.len());
            numa.as_ref().is_some_and(|numa| parts.all(|part| numa.allows_any_node(part.start)))
        };
        if !wanted || !anywhere() {
            registration.cannot_move(*index);
        }
    }
}
