//! A model of the background loader's order: several threads take pieces, give some back, and faults come in between.

use std::sync::Arc;

use super::order::{Extent, Order, Piece};
use crate::memory::{BlockId, BlockTable, RamBlock, RamBlockSpec};
use crate::sync::{Mutex, check, thread};

const PAGE: usize = 4096;
const UNIT: usize = 512;

/// An order of two blocks, of three units and of one.
fn order() -> Arc<Order> {
    let mut table = BlockTable::default();
    for (id, units) in [3, 1].into_iter().enumerate() {
        let (host, length) = ((id + 1) << 30, (units * UNIT * PAGE) as u64);
        let spec = RamBlockSpec { idstr: format!("block{id}"), host, length, page_size: PAGE as u64 };
        table.add(RamBlock::new(BlockId(id), spec).unwrap()).unwrap();
    }
    Arc::new(Order::new(&table).unwrap())
}

#[test]
fn each_unit_is_handed_out_once_to_somebody_who_keeps_it() {
    check(|| {
        let order = order();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let taker = |gives_back: usize| {
            let (order, kept) = (order.clone(), kept.clone());
            thread::spawn(move || {
                let mut count = 0;
                while let Some(mut taken) = order.take(Extent::All) {
                    taken.is_loaded = count != gives_back;
                    if taken.is_loaded {
                        kept.lock().push((taken.piece.index, taken.piece.pages.start / UNIT));
                    }
                    count += 1;
                }
            })
        };
        let takers = [taker(0), taker(1), taker(usize::MAX)];
        let faults = {
            let order = order.clone();
            thread::spawn(move || [2, 0].into_iter().for_each(|unit| order.faulted(0, unit * UNIT + 7)))
        };
        takers.into_iter().chain([faults]).for_each(|thread| thread.join().unwrap());
        let mut kept = kept.lock().clone();
        kept.sort();
        assert_eq!(kept, [(0, 0), (0, 1), (0, 2), (1, 0)]);
    });
}

#[test]
fn a_working_set_is_handed_out_once_and_first() {
    check(|| {
        let order = order();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let taker = || {
            let (order, kept) = (order.clone(), kept.clone());
            thread::spawn(move || {
                // A unit as a whole, and a page of another.
                let set = [Piece { index: 0, pages: UNIT..2 * UNIT }, Piece { index: 1, pages: 3..4 }];
                order.put_first(set.into_iter(), |error| panic!("{error}"));
                while let Some(mut taken) = order.take(Extent::All) {
                    taken.is_loaded = true;
                    kept.lock().push((taken.piece.index, taken.piece.pages.clone()));
                }
            })
        };
        let takers = [taker(), taker()];
        takers.into_iter().for_each(|thread| thread.join().unwrap());
        let mut kept = kept.lock().clone();
        kept.sort_by_key(|(index, pages)| (*index, pages.start, pages.len()));
        let units = [(0, 0..UNIT), (0, UNIT..2 * UNIT), (0, 2 * UNIT..3 * UNIT), (1, 0..UNIT), (1, 3..4)];
        assert_eq!(kept, units);
    });
}
