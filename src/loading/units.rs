//! Which unit is loaded next, and by whom: one state for each unit, under one lock.
//!
//! ```text
//!                 take()                    wait_for_disk()
//!   Todo, Covered ------> InFlight -------------------------> Waiting
//!     ^                      |  LoadClaim dropped: Done or Todo  |
//!     |  claim_for_fault()   v                                   v
//!     +---------------- ByFault     UnitClaim dropped: Covered or Todo
//! ```
//!
//! The loader comes to every unit once, to those last that fault threads have placed: there it finds hardly anything missing.

use std::time::Duration;
use std::vec;

use super::ahead::Ahead;
use super::unit_map::{Piece, UnitMap};
use crate::error::{Result, with_room};
use crate::sync::Mutex;

/// How many units that were faulted in are remembered.
const RECENT: usize = 16;

/// How much is loaded in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    WorkingSet,
    All,
}

/// What becomes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnitState {
    Todo,
    /// A loader thread is placing what is there of it without waiting for a disk. A fault in it is left waiting: the loader wakes
    /// the unit afterwards.
    InFlight,
    /// A loader thread waits for the disk for it. A fault thread serves what is faulted on meanwhile.
    Waiting,
    /// A fault thread is placing it.
    ByFault,
    /// A fault thread has placed it.
    Covered,
    /// A loader thread has placed it.
    Done,
}

/// All RAM in units, each handed out once; parts of some come before, if they were all that a working set holds of them.
#[derive(Debug)]
pub(crate) struct Units {
    pub map: UnitMap,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    states: Box<[UnitState]>,
    /// All units before this one are taken.
    next: usize,
    /// What has not been handed out of the working set of an earlier restore.
    working_set: Option<vec::IntoIter<Piece>>,
    /// How many of these, from the last one on, have not been fetched ahead.
    set_to_fetch: usize,
    ahead: Ahead,
    /// Parts of units that were given back.
    returned: Vec<Piece>,
    /// The units that faults were in, the last one first.
    recent: [Option<usize>; RECENT],
}

/// A piece that a loader thread has to load. If it is dropped before it was loaded, it is given back: nothing is passed over.
#[derive(Debug)]
pub(crate) struct LoadClaim<'a> {
    units: &'a Units,
    pub piece: Piece,
    /// Of the unit, if it is all of one.
    number: Option<usize>,
    pub is_loaded: bool,
}

/// A unit that a fault thread is placing. The loader comes to it late, if all of it was placed.
#[derive(Debug)]
pub(crate) struct UnitClaim<'a> {
    units: &'a Units,
    number: usize,
    pub piece: Piece,
    /// No other thread is at it, and it has not been placed before.
    pub is_first: bool,
    pub is_placed: bool,
}

impl Units {
    pub fn new(map: UnitMap) -> Result<Self> {
        let mut states = with_room(map.len(), format_args!("{} units of RAM", map.len()))?;
        states.resize(map.len(), UnitState::Todo);
        Ok(Self { map, queue: Mutex::new(Queue { states: states.into(), ..Queue::default() }) })
    }

    /// What to load first, unit by unit. Only the first call counts.
    pub fn put_first(&self, mut working_set: Vec<Piece>) {
        // Where it is most of the RAM, reading on is faster than jumping.
        let whole = working_set.iter().filter(|piece| self.map.unit_of(piece).is_some()).count();
        if whole > self.map.len() / 2 {
            working_set.sort_unstable_by_key(|piece| (piece.index, piece.pages.start));
        }
        let mut queue = self.queue.lock();
        if queue.working_set.is_none() {
            queue.set_to_fetch = working_set.len();
            queue.working_set = Some(working_set.into_iter());
        }
    }

    /// A block that is not loaded.
    pub fn leave_out(&self, index: usize) {
        let numbers = self.map.numbers(index);
        self.queue.lock().states[numbers].fill(UnitState::Done);
    }

    /// A thread waits for a page of this unit: it, and what lies behind it, will be needed soon.
    pub fn faulted(&self, number: usize) {
        let recent = &mut self.queue.lock().recent;
        if recent[0] != Some(number) {
            recent.rotate_right(1);
            recent[0] = Some(number);
        }
    }

    /// A unit for a fault thread to place all of; None if it is in flight: the thread that waits for a page of it gets that in a
    /// moment, or is woken to fault again.
    pub fn claim_for_fault(&self, number: usize) -> Option<UnitClaim<'_>> {
        let mut queue = self.queue.lock();
        let is_first = match queue.states[number] {
            UnitState::InFlight => return None,
            UnitState::Todo => {
                queue.states[number] = UnitState::ByFault;
                true
            }
            // The claim of the other thread, or of the loader, stays.
            UnitState::Waiting | UnitState::ByFault | UnitState::Covered | UnitState::Done => false,
        };
        Some(UnitClaim { units: self, number, piece: self.map.unit(number), is_first, is_placed: false })
    }

    /// The next piece for a loader thread.
    pub fn take(&self, extent: Extent) -> Option<LoadClaim<'_>> {
        let piece = self.queue.lock().take(&self.map, extent)?;
        Some(LoadClaim { units: self, number: self.map.unit_of(&piece), piece, is_loaded: false })
    }

    /// What is worth fetching now since loader threads are going to take it soon: pieces of the working set, each once. Which other
    /// units come next is for faults to say, and the disk is left to those.
    pub fn next_ahead(&self) -> Option<Piece> {
        self.queue.lock().next_ahead()
    }

    /// A loader thread has waited so long for a piece.
    pub fn waited(&self, time: Duration) {
        self.queue.lock().ahead.waited(time);
    }

    /// Changes the state of a unit from one of these.
    fn change(&self, number: usize, from: &[UnitState], to: UnitState) {
        let mut queue = self.queue.lock();
        if from.contains(&queue.states[number]) {
            queue.states[number] = to;
            if to == UnitState::Todo {
                queue.next = queue.next.min(number);
            }
        }
    }
}

impl Queue {
    fn take(&mut self, map: &UnitMap, extent: Extent) -> Option<Piece> {
        if let Some(piece) = self.returned.pop() {
            return Some(piece);
        }
        match extent {
            Extent::WorkingSet => self.take_of_set(map),
            Extent::All => self
                .take_near_faults(map, 0)
                .or_else(|| self.take_of_set(map))
                .or_else(|| self.take_near_faults(map, 1))
                .or_else(|| self.take_next(map)),
        }
    }

    fn next_ahead(&mut self) -> Option<Piece> {
        let set = self.working_set.as_ref()?.as_slice();
        self.set_to_fetch = self.set_to_fetch.min(set.len());
        let fetched = set.len() - self.set_to_fetch;
        let piece = set.get(fetched).filter(|_| fetched < self.ahead.pieces())?;
        self.set_to_fetch -= 1;
        Some(piece.clone())
    }

    /// The next piece of the working set.
    fn take_of_set(&mut self, map: &UnitMap) -> Option<Piece> {
        loop {
            let piece = self.working_set.as_mut()?.next()?;
            if map.unit_of(&piece).is_none_or(|number| self.take_todo(number)) {
                return Some(piece);
            }
        }
    }

    /// The unit that a recent fault was in, or one that lies so many units behind it.
    fn take_near_faults(&mut self, map: &UnitMap, behind: usize) -> Option<Piece> {
        let recent = self.recent;
        let number =
            recent.into_iter().flatten().map(|number| number + behind).find(|number| self.take_todo(*number))?;
        Some(map.unit(number))
    }

    /// The next unit in the order of addresses that no loader thread has had.
    fn take_next(&mut self, map: &UnitMap) -> Option<Piece> {
        let is_free = |state: &UnitState| matches!(state, UnitState::Todo | UnitState::ByFault | UnitState::Covered);
        let number = self.next + self.states[self.next..].iter().position(is_free)?;
        self.next = number + 1;
        self.states[number] = UnitState::InFlight;
        Some(map.unit(number))
    }

    /// Whether the unit was there to be taken, and no fault thread is at it.
    fn take_todo(&mut self, number: usize) -> bool {
        let Some(state) = self.states.get_mut(number).filter(|state| **state == UnitState::Todo) else { return false };
        *state = UnitState::InFlight;
        true
    }
}

impl LoadClaim<'_> {
    /// What was there without waiting for a disk has been placed. Threads that wait in the unit are to be woken afterwards: they
    /// have been left waiting, and not every page may have come.
    pub fn wait_for_disk(&self) {
        self.change(&[UnitState::InFlight], UnitState::Waiting);
    }

    /// All of it is to be placed once more, after a failure.
    pub fn begin_again(&self) {
        self.change(&[UnitState::Waiting], UnitState::InFlight);
    }

    fn change(&self, from: &[UnitState], to: UnitState) {
        if let Some(number) = self.number {
            self.units.change(number, from, to);
        }
    }
}

impl Drop for LoadClaim<'_> {
    fn drop(&mut self) {
        let state = if self.is_loaded { UnitState::Done } else { UnitState::Todo };
        self.change(&[UnitState::InFlight, UnitState::Waiting], state);
        if self.number.is_none() && !self.is_loaded {
            self.units.queue.lock().returned.push(self.piece.clone());
        }
    }
}

impl Drop for UnitClaim<'_> {
    fn drop(&mut self) {
        if self.is_first {
            let state = if self.is_placed { UnitState::Covered } else { UnitState::Todo };
            self.units.change(self.number, &[UnitState::ByFault], state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pieces::by_units;
    use super::super::tests::{blocks, map};
    use super::*;
    use std::ops::Range;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    fn units(blocks: &[(usize, u64, u64)]) -> Units {
        Units::new(map(blocks)).unwrap()
    }

    fn put_first(units: &Units, pages: impl IntoIterator<Item = Range<usize>>) {
        let touched = pages.into_iter().map(|pages| Piece { index: 0, pages });
        units.put_first(by_units(&units.map, touched).unwrap());
    }

    fn faulted(units: &Units, page: usize) {
        units.faulted(units.map.number(0, page));
    }

    fn claim(units: &Units, page: usize) -> Option<UnitClaim<'_>> {
        units.claim_for_fault(units.map.number(0, page))
    }

    fn all(units: &Units) -> Vec<(usize, Range<usize>)> {
        rest(units).into_iter().map(|claim| (claim.piece.index, claim.piece.pages.clone())).collect()
    }

    fn rest(units: &Units) -> Vec<LoadClaim<'_>> {
        let mut rest: Vec<_> = std::iter::from_fn(|| units.take(Extent::All)).collect();
        rest.iter_mut().for_each(|claim| claim.is_loaded = true);
        rest
    }

    #[test]
    fn faults_go_first_and_then_what_is_behind_them() {
        let units = units(&[(0x4000_0000, 12 << 20, 4096)]);
        faulted(&units, 3 * 512 + 7);
        faulted(&units, 512);
        let order: Vec<_> = all(&units).into_iter().map(|(_, pages)| pages.start / 512).collect();
        assert_eq!(order, [1, 3, 2, 4, 0, 5]);
    }

    #[test]
    fn a_fault_in_the_last_unit_has_nothing_behind_it() {
        let units = units(&[(0x4000_0000, 4 << 20, 4096)]);
        faulted(&units, 1023);
        assert_eq!(all(&units), [(0, 512..1024), (0, 0..512)]);
    }

    #[test]
    fn the_working_set_comes_first_and_then_all_else() {
        let units = units(&[(0x4000_0000, 6 << 20, 4096)]);
        put_first(&units, [600..700, 1500..1501, 20..24, 1499..1502, 690..710]);
        // The second unit is worth loading whole; of the others only what was touched.
        assert_eq!(all(&units), [(0, 512..1024), (0, 1499..1502), (0, 20..24), (0, 0..512), (0, 1024..1536)]);
    }

    #[test]
    fn a_working_set_of_most_units_comes_in_the_order_of_addresses() {
        let units = units(&[(0x4000_0000, 6 << 20, 4096)]);
        put_first(&units, [1024..1536, 512..1024]);
        assert_eq!(all(&units), [(0, 512..1024), (0, 1024..1536), (0, 0..512)]);
    }

    #[test]
    fn pieces_of_the_working_set_are_fetched_ahead_once_each() {
        let units = units(&[(0x4000_0000, 12 << 20, 4096)]);
        let ahead = || std::iter::from_fn(|| units.next_ahead()).map(|piece| piece.pages.start).collect::<Vec<_>>();
        let take = || units.take(Extent::All).map(|mut claim| claim.is_loaded = true);
        assert!(ahead().is_empty());
        put_first(&units, [512..1024, 3..9, 1024..1030, 2048..2054]);
        assert_eq!(ahead(), [512, 3]);
        assert!(ahead().is_empty());
        take();
        assert_eq!(ahead(), [1024]);
        assert!((0..3).all(|_| take().is_some()));
        // What was taken before it could be fetched ahead is not worth it any more.
        assert!(ahead().is_empty());
        while take().is_some() {
            assert!(ahead().is_empty());
        }
    }

    #[test]
    fn what_was_given_back_comes_again() {
        let units = units(&[(0x4000_0000, 2 << 20, 4096)]);
        let claim = units.take(Extent::All).unwrap();
        assert!(units.take(Extent::All).is_none());
        drop(claim);
        units.take(Extent::All).unwrap().is_loaded = true;
        assert!(units.take(Extent::All).is_none());
    }

    #[test]
    fn a_part_that_was_given_back_comes_again() {
        let units = units(&[(0x4000_0000, 2 << 20, 4096)]);
        put_first(&units, std::iter::once(3..9));
        drop(units.take(Extent::WorkingSet).unwrap());
        let mut claim = units.take(Extent::WorkingSet).unwrap();
        assert_eq!(claim.piece, Piece { index: 0, pages: 3..9 });
        claim.is_loaded = true;
        drop(claim);
        assert!(units.take(Extent::WorkingSet).is_none());
    }

    #[test]
    fn a_unit_in_flight_is_left_to_the_loader() {
        let units = units(&[(0x4000_0000, 4 << 20, 4096)]);
        let taken = units.take(Extent::All).unwrap();
        assert!(claim(&units, 511).is_none());
        assert_eq!(claim(&units, 600).unwrap().piece, Piece { index: 0, pages: 512..1024 });
        taken.wait_for_disk();
        assert!(claim(&units, 511).is_some());
        // Once more, after a failure.
        taken.begin_again();
        assert!(claim(&units, 511).is_none());
        drop(taken);
        assert!(claim(&units, 511).is_some());
    }

    #[test]
    fn a_part_in_flight_says_nothing_of_its_unit() {
        let units = units(&[(0x4000_0000, 4 << 20, 4096)]);
        put_first(&units, std::iter::once(3..9));
        let taken = units.take(Extent::WorkingSet).unwrap();
        assert!(claim(&units, 3).is_some());
        taken.wait_for_disk();
        assert!(claim(&units, 3).is_some());
    }

    #[test]
    fn a_unit_that_a_fault_thread_has_placed_comes_late() {
        let units = units(&[(0x4000_0000, 8 << 20, 4096)]);
        put_first(&units, [512..1024, 1024..1536]);
        claim(&units, 513).unwrap().is_placed = true;
        // Of this one the loader has to do the rest.
        drop(claim(&units, 1030).unwrap());
        faulted(&units, 513);
        assert_eq!(all(&units), [(0, 1024..1536), (0, 0..512), (0, 512..1024), (0, 1536..2048)]);
    }

    #[test]
    fn a_fault_thread_does_not_take_a_unit_from_the_loader() {
        let units = units(&[(0x4000_0000, 2 << 20, 4096)]);
        let by_fault = claim(&units, 0).unwrap();
        let mut taken = units.take(Extent::All).unwrap();
        drop(by_fault);
        assert!(units.take(Extent::All).is_none(), "two loaders have the unit");
        taken.is_loaded = true;
        drop(taken);
        claim(&units, 0).unwrap().is_placed = true;
        assert!(units.take(Extent::All).is_none(), "a unit that is done comes again");
    }

    /// What happens to the units.
    #[derive(Clone, Debug)]
    enum Step {
        Fault(Index, Index),
        Claim(Index, Index),
        Release(Index, bool),
        Take(Extent),
        Wait(Index),
        GiveBack(Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (any::<Index>(), any::<Index>()).prop_map(|(block, page)| Step::Fault(block, page)),
            (any::<Index>(), any::<Index>()).prop_map(|(block, page)| Step::Claim(block, page)),
            (any::<Index>(), any::<bool>()).prop_map(|(which, placed)| Step::Release(which, placed)),
            Just(Step::Take(Extent::All)),
            Just(Step::Take(Extent::WorkingSet)),
            any::<Index>().prop_map(Step::Wait),
            any::<Index>().prop_map(Step::GiveBack),
        ]
    }

    proptest! {
        /// Whatever faults come, whoever claims and gives back: units that are kept cover every page once.
        #[test]
        fn any_steps_hand_out_every_page_once(blocks in blocks(), steps in vec(step(), 0..60)) {
            let units = units(&blocks);
            let number = |block: Index, page: Index| {
                let index = block.index(blocks.len());
                units.map.number(index, page.index((blocks[index].1 / blocks[index].2) as usize))
            };
            let (mut kept, mut claimed) = (Vec::<LoadClaim<'_>>::new(), Vec::<UnitClaim<'_>>::new());
            for step in steps {
                match step {
                    Step::Fault(block, page) => units.faulted(number(block, page)),
                    Step::Claim(block, page) => claimed.extend(units.claim_for_fault(number(block, page))),
                    Step::Take(extent) => kept.extend(units.take(extent)),
                    Step::Release(..) if claimed.is_empty() => {}
                    Step::Release(which, placed) => claimed.swap_remove(which.index(claimed.len())).is_placed = placed,
                    Step::Wait(_) | Step::GiveBack(_) if kept.is_empty() => {}
                    Step::Wait(which) => kept[which.index(kept.len())].wait_for_disk(),
                    Step::GiveBack(which) => drop(kept.swap_remove(which.index(kept.len()))),
                }
            }
            kept.extend(rest(&units));
            drop(claimed);
            kept.extend(rest(&units));
            let mut numbers: Vec<_> = kept.iter().map(|claim| units.map.unit_of(&claim.piece)).collect();
            numbers.sort();
            prop_assert_eq!(numbers, (0..units.map.len()).map(Some).collect::<Vec<_>>());
        }
    }
}
