//! Models of the units' states: several loader threads take pieces and give some back, and fault threads claim units in between.

use std::sync::Arc;

use super::fuzzing::table;
use super::pieces::by_units;
use super::unit_map::{Piece, UnitMap};
use super::units::{Extent, Units};
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::{Mutex, check, thread};

const PAGE: u64 = 4096;
const UNIT: usize = 512;

/// Two blocks, of three units and of one.
fn units() -> Arc<Units> {
    let blocks = [(1, 3), (2, 1)].map(|(gib, units)| (gib << 30, units * (UNIT as u64) * PAGE, PAGE));
    Arc::new(Units::new(UnitMap::new(&table(&blocks))).unwrap())
}

#[test]
fn each_unit_is_handed_out_once_to_a_thread_that_keeps_it() {
    check(|| {
        let units = units();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let loader = |gives_back: usize| {
            let (units, kept) = (units.clone(), kept.clone());
            thread::spawn(move || {
                let mut count = 0;
                while let Some(mut claim) = units.take(Extent::All) {
                    claim.is_loaded = count != gives_back;
                    if claim.is_loaded {
                        kept.lock().push((claim.piece.index, claim.piece.pages.start / UNIT));
                    }
                    count += 1;
                }
            })
        };
        let loaders = [loader(0), loader(1), loader(usize::MAX)];
        let faults = {
            let units = units.clone();
            thread::spawn(move || [2, 0].into_iter().for_each(|unit| units.faulted(unit)))
        };
        loaders.into_iter().chain([faults]).for_each(|thread| thread.join().unwrap());
        let mut kept = kept.lock().clone();
        kept.sort();
        assert_eq!(kept, [(0, 0), (0, 1), (0, 2), (1, 0)]);
    });
}

#[test]
fn a_working_set_is_handed_out_once_and_first() {
    check(|| {
        let units = units();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let loader = || {
            let (units, kept) = (units.clone(), kept.clone());
            thread::spawn(move || {
                // A unit as a whole, and a page of another.
                let set = [Piece { index: 0, pages: UNIT..2 * UNIT }, Piece { index: 1, pages: 3..4 }];
                units.put_first(by_units(&units.map, set.into_iter()).unwrap());
                while let Some(mut claim) = units.take(Extent::All) {
                    claim.is_loaded = true;
                    kept.lock().push((claim.piece.index, claim.piece.pages.clone()));
                }
            })
        };
        let loaders = [loader(), loader()];
        loaders.into_iter().for_each(|thread| thread.join().unwrap());
        let mut kept = kept.lock().clone();
        kept.sort_by_key(|(index, pages)| (*index, pages.start, pages.len()));
        let units = [(0, 0..UNIT), (0, UNIT..2 * UNIT), (0, 2 * UNIT..3 * UNIT), (1, 0..UNIT), (1, 3..4)];
        assert_eq!(kept, units);
    });
}

/// A fault thread that claims units at the same time: no unit is passed over, and a fault that is left to the loader is one in a
/// unit that the loader wakes afterwards.
#[test]
fn a_fault_in_flight_is_woken_by_the_loader() {
    check(|| {
        let units = units();
        // Of unit 1: a fault waits there; the loader has placed it, and woken.
        let (waits, is_placed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let faulter = {
            let (units, waits, is_placed) = (units.clone(), waits.clone(), is_placed.clone());
            thread::spawn(move || {
                waits.store(true, SeqCst);
                match units.claim_for_fault(1) {
                    Some(mut claim) => {
                        claim.is_placed = true;
                        is_placed.store(true, SeqCst);
                        waits.store(false, SeqCst);
                    }
                    // The loader is at it.
                    None => {}
                }
            })
        };
        let loader = {
            let (units, waits, is_placed) = (units.clone(), waits.clone(), is_placed.clone());
            thread::spawn(move || {
                let mut count = 0;
                while let Some(mut claim) = units.take(Extent::All) {
                    let is_one = units.map.unit_of(&claim.piece) == Some(1);
                    if is_one {
                        is_placed.store(true, SeqCst);
                    }
                    claim.wait_for_disk();
                    if is_one {
                        waits.store(false, SeqCst);
                    }
                    claim.is_loaded = true;
                    count += 1;
                }
                assert_eq!(count, 4, "a unit was passed over");
            })
        };
        [faulter, loader].into_iter().for_each(|thread| thread.join().unwrap());
        assert!(is_placed.load(SeqCst) && !waits.load(SeqCst), "a thread waits, and is not woken");
    });
}

/// Whoever gives a unit back, loader or fault thread, it is handed out again.
#[test]
fn a_unit_that_is_given_back_is_not_lost() {
    check(|| {
        let units = units();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let fault_thread = |is_placed: bool| {
            let units = units.clone();
            thread::spawn(move || {
                for unit in [1, 3] {
                    units.claim_for_fault(unit).into_iter().for_each(|mut claim| claim.is_placed = is_placed);
                }
            })
        };
        let loader = |gives_back: bool| {
            let (units, kept) = (units.clone(), kept.clone());
            thread::spawn(move || {
                for number in 0.. {
                    let Some(mut claim) = units.take(Extent::All) else { break };
                    claim.is_loaded = !gives_back || number > 1;
                    if claim.is_loaded {
                        kept.lock().push(units.map.unit_of(&claim.piece));
                    }
                }
            })
        };
        let threads = [fault_thread(true), fault_thread(false), loader(true), loader(false)];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // What was given back last is for another loader thread.
        while let Some(mut claim) = units.take(Extent::All) {
            claim.is_loaded = true;
            kept.lock().push(units.map.unit_of(&claim.piece));
        }
        let mut kept = kept.lock().clone();
        kept.sort();
        assert_eq!(kept, (0..4).map(Some).collect::<Vec<_>>());
    });
}
