//! What the background loader loads next: what recent faults were in, the working set of an earlier restore, what lies behind
//! recent faults, then the rest in the order of addresses.

use std::ops::Range;
use std::sync::OnceLock;

use crate::error::{Error, Result, error};
use crate::kernel::HUGE_PAGE;
use crate::memory::{AtomicBitmap, BlockTable, RamBlock};
use crate::sync::Mutex;
use crate::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

/// How many bytes are loaded at once; a host page if that is larger. A pause waits for a unit at most.
pub(super) const UNIT: usize = HUGE_PAGE;

/// How many units that were faulted in are remembered.
const RECENT: usize = 16;

/// Of a unit whose pages belong to the working set by this share (1 / n), all is loaded: it costs less than its parts.
const WORTH_A_UNIT: usize = 8;

/// Pages of the block with this index, to be loaded at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub index: usize,
    pub pages: Range<usize>,
}

/// How much is loaded in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    WorkingSet,
    All,
}

/// All RAM in units, each handed out once; parts of some come before, if they were all that a working set holds of them.
pub(super) struct Order {
    blocks: Box<[Division]>,
    /// Which units have been handed out.
    taken: AtomicBitmap,
    /// Which units the loader is about to place, or placing, without waiting for a disk.
    arriving: AtomicBitmap,
    /// Which units fault threads are placing, or have placed: there is hardly anything to do in them.
    attended: AtomicBitmap,
    /// What workers have given back.
    returned: Mutex<Vec<Piece>>,
    working_set: OnceLock<Box<[Piece]>>,
    /// How far it has been handed out.
    next_of_set: AtomicUsize,
    /// 1 + the number of the unit that a fault was in; 0: none.
    recent: [AtomicUsize; RECENT],
    next_recent: AtomicUsize,
    /// From where on units have been handed out in the order of addresses.
    next: AtomicUsize,
    units: usize,
}

/// A piece that a loader thread has to load. If it is dropped before, it is given back: nothing is passed over.
pub(super) struct Taken<'a> {
    order: &'a Order,
    pub piece: Piece,
    /// Of the unit, if it is all of one: others can rely on its arrival.
    number: Option<usize>,
    pub is_loaded: bool,
}

impl Taken<'_> {
    /// Places what does not have to wait for a disk. Those who wait for it are to be woken afterwards: they have been left
    /// waiting, and not all may have come.
    pub fn arrive<R>(&self, place: impl FnOnce() -> R) -> R {
        if let Some(number) = self.number {
            self.order.arriving.set(number..number + 1, |_, _| ());
        }
        let placed = place();
        self.has_arrived();
        placed
    }

    fn has_arrived(&self) {
        if let Some(number) = self.number {
            self.order.arriving.clear(number);
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.has_arrived();
        if !self.is_loaded {
            self.order.returned.lock().push(self.piece.clone());
        }
    }
}

/// A unit that a fault thread is placing. The loader comes to it late, if it is not dropped before it is placed.
pub(super) struct Attended<'a> {
    order: &'a Order,
    number: usize,
    pub piece: Piece,
    pub is_placed: bool,
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        if !self.is_placed {
            self.order.attended.clear(self.number);
        }
    }
}

/// How a block is divided: into units whose addresses are aligned, but for the first and the last.
struct Division {
    /// The number of its first unit.
    first: usize,
    pages: usize,
    /// Pages a unit.
    unit: usize,
    /// How many pages of the first unit lie before the block.
    before: usize,
}

impl Division {
    fn new(first: usize, block: &RamBlock) -> Self {
        let unit = block.page_of(UNIT).max(1);
        Self { first, pages: block.pages(), unit, before: block.page_of(block.host()) % unit }
    }

    fn units(&self) -> usize {
        (self.before + self.pages).div_ceil(self.unit)
    }

    /// The number of the unit that a page lies in.
    fn number(&self, page: usize) -> usize {
        self.first + (self.before + page) / self.unit
    }

    /// The pages of a unit of this block.
    fn pages(&self, number: usize) -> Range<usize> {
        let number = number - self.first;
        let end = (number + 1) * self.unit - self.before;
        (number * self.unit).saturating_sub(self.before)..end.min(self.pages)
    }
}

impl Order {
    pub fn new(table: &BlockTable) -> Result<Self> {
        let mut units = 0;
        let blocks = table.blocks().iter().map(|block| {
            let division = Division::new(units, block);
            units += division.units();
            division
        });
        let blocks = blocks.collect();
        Ok(Self {
            blocks,
            taken: AtomicBitmap::new(units)?,
            arriving: AtomicBitmap::new(units)?,
            attended: AtomicBitmap::new(units)?,
            returned: Mutex::default(),
            working_set: OnceLock::new(),
            next_of_set: AtomicUsize::new(0),
            recent: Default::default(),
            next_recent: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            units,
        })
    }

    /// What to load first, in the order in which it was touched before. Only the first call counts. `failed` is told when there
    /// is no memory for it: then nothing comes first.
    pub fn put_first(&self, touched: impl Iterator<Item = Piece>, failed: impl FnOnce(Error)) {
        self.working_set.get_or_init(|| {
            let mut set = self.by_units(touched).unwrap_or_else(|error| {
                failed(error);
                Box::default()
            });
            // Where it is most of the RAM, reading on is faster than jumping.
            if set.iter().filter(|piece| self.unit_of(piece).is_some()).count() > self.units / 2 {
                set.sort_unstable_by_key(|piece| (piece.index, piece.pages.start));
            }
            set
        });
    }

    /// The same pages unit by unit, in the order of the first touch of each: all of it, or the parts that were touched.
    pub fn by_units(&self, touched: impl Iterator<Item = Piece>) -> Result<Box<[Piece]>> {
        let mut parts = Vec::new();
        for Piece { index, pages } in touched {
            let block = &self.blocks[index];
            let mut at = pages.start;
            while at < pages.end {
                let number = block.number(at);
                let end = block.pages(number).end.min(pages.end);
                let part = Part { number, turn: parts.len(), piece: Piece { index, pages: at..end } };
                try_push(&mut parts, part)?;
                at = end;
            }
        }
        parts.sort_unstable_by_key(|part| (part.number, part.piece.pages.start));
        let mut pieces = Vec::new();
        for unit in parts.chunk_by_mut(|one, other| one.number == other.number) {
            let Some(turn) = unit.iter().map(|part| part.turn).min() else { continue };
            let Piece { index, .. } = unit[0].piece;
            let whole = self.blocks[index].pages(unit[0].number);
            let merged = merge(unit);
            let touched: usize = merged.iter().map(|part| part.piece.pages.len()).sum();
            if touched * WORTH_A_UNIT >= whole.len() {
                try_push(&mut pieces, (turn, Piece { index, pages: whole }))?;
                continue;
            }
            for part in merged {
                try_push(&mut pieces, (turn, part.piece.clone()))?;
            }
        }
        drop(parts);
        pieces.sort_unstable_by_key(|(turn, piece)| (*turn, piece.pages.start));
        let mut ordered = Vec::new();
        ordered.try_reserve_exact(pieces.len()).map_err(|_| no_memory())?;
        ordered.extend(pieces.into_iter().map(|(_, piece)| piece));
        Ok(ordered.into())
    }

    /// A thread waits for this page: what is around it will be needed soon.
    pub fn faulted(&self, index: usize, page: usize) {
        let number = self.blocks[index].number(page) + 1;
        let last = self.next_recent.load(Relaxed);
        if self.recent[last % RECENT].load(Relaxed) != number {
            self.recent[last.wrapping_add(1) % RECENT].store(number, Relaxed);
            self.next_recent.store(last.wrapping_add(1), Relaxed);
        }
    }

    /// The unit that a page lies in, for a fault thread to place all of; None if it is arriving: then who waits for the page
    /// gets it in a moment, or is woken to ask again.
    pub fn attend(&self, index: usize, page: usize) -> Option<Attended<'_>> {
        let number = self.blocks[index].number(page);
        if self.arriving.get(number) {
            return None;
        }
        self.attended.set(number..number + 1, |_, _| ());
        Some(Attended { order: self, number, piece: self.unit(number), is_placed: false })
    }

    /// The next piece that nobody has taken.
    pub fn take(&self, extent: Extent) -> Option<Taken<'_>> {
        let returned = self.returned.lock().pop();
        let piece = match extent {
            Extent::WorkingSet => returned.or_else(|| self.take_of_set()),
            Extent::All => returned
                .or_else(|| self.take_near_faults(0))
                .or_else(|| self.take_of_set())
                .or_else(|| self.take_near_faults(1))
                .or_else(|| self.take_next()),
        };
        piece.map(|piece| Taken { order: self, number: self.unit_of(&piece), piece, is_loaded: false })
    }

    /// The next piece of the working set.
    fn take_of_set(&self) -> Option<Piece> {
        let set = self.working_set.get()?;
        loop {
            let piece = set.get(self.next_of_set.fetch_add(1, Relaxed))?;
            if self.unit_of(piece).is_none_or(|number| self.take_unattended(number)) {
                return Some(piece.clone());
            }
        }
    }

    /// The unit that a recent fault was in, or one that lies so many units behind it.
    fn take_near_faults(&self, behind: usize) -> Option<Piece> {
        let last = self.next_recent.load(Relaxed);
        (0..RECENT).find_map(|back| {
            let number = self.recent[last.wrapping_sub(back) % RECENT].load(Relaxed).checked_sub(1)? + behind;
            self.take_unattended(number).then(|| self.unit(number))
        })
    }

    fn take_next(&self) -> Option<Piece> {
        loop {
            let from = self.next.load(SeqCst);
            let number = self.taken.find(from..self.units, false)?;
            self.next.fetch_max(number, SeqCst);
            if self.take_unit(number) {
                return Some(self.unit(number));
            }
        }
    }

    /// Whether the unit was there to be taken, and no fault thread is at it.
    fn take_unattended(&self, number: usize) -> bool {
        number < self.units && !self.attended.get(number) && self.take_unit(number)
    }

    /// Whether the unit was there to be taken. It is arriving from now on.
    fn take_unit(&self, number: usize) -> bool {
        let mut taken = false;
        self.taken.set(number..number + 1, |_, _| taken = true);
        if taken {
            self.arriving.set(number..number + 1, |_, _| ());
        }
        taken
    }

    /// The number of the unit that a piece is all of.
    fn unit_of(&self, piece: &Piece) -> Option<usize> {
        let block = &self.blocks[piece.index];
        let number = block.number(piece.pages.start);
        (block.pages(number) == piece.pages).then_some(number)
    }

    fn unit(&self, number: usize) -> Piece {
        let index = self.blocks.partition_point(|block| block.first <= number) - 1;
        Piece { index, pages: self.blocks[index].pages(number) }
    }
}

/// Pages of one unit that were touched.
struct Part {
    /// The unit's number.
    number: usize,
    /// When it was touched, counted from the first one.
    turn: usize,
    piece: Piece,
}

/// Parts of one unit, in ascending order, in as few as can be: the first ones of the slice.
fn merge(parts: &mut [Part]) -> &[Part] {
    let mut last = 0;
    for next in 1..parts.len() {
        let pages = parts[next].piece.pages.clone();
        let before = &mut parts[last].piece.pages;
        if pages.start <= before.end {
            before.end = before.end.max(pages.end);
        } else {
            last += 1;
            parts[last].piece.pages = pages;
        }
    }
    &parts[..(last + 1).min(parts.len())]
}

fn try_push<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    list.try_reserve(1).map_err(|_| no_memory())?;
    list.push(item);
    Ok(())
}

fn no_memory() -> Error {
    error!(ENOMEM, "no memory for the pages of a working set")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use crate::memory::{BlockId, RamBlockSpec};

    fn order(blocks: &[(usize, u64, u64)]) -> Order {
        let mut table = BlockTable::default();
        for (id, (host, length, page_size)) in blocks.iter().enumerate() {
            let spec =
                RamBlockSpec { idstr: format!("block{id}"), host: *host, length: *length, page_size: *page_size };
            table.add(RamBlock::new(BlockId(id), spec).unwrap()).unwrap();
        }
        Order::new(&table).unwrap()
    }

    fn put_first(order: &Order, pages: impl IntoIterator<Item = Range<usize>>) {
        let touched = pages.into_iter().map(|pages| Piece { index: 0, pages });
        order.put_first(touched, |error| panic!("{error}"));
    }

    fn all(order: &Order) -> Vec<(usize, Range<usize>)> {
        rest(order).into_iter().map(|taken| (taken.piece.index, taken.piece.pages.clone())).collect()
    }

    fn rest(order: &Order) -> Vec<Taken<'_>> {
        let mut rest: Vec<_> = std::iter::from_fn(|| order.take(Extent::All)).collect();
        rest.iter_mut().for_each(|taken| taken.is_loaded = true);
        rest
    }

    #[test]
    fn units_cover_every_page_once() {
        let order = order(&[(0x4000_1000, 5 << 20, 4096), (0x8000_0000, 4096, 4096), (0xc000_0000, 8 << 20, 4 << 20)]);
        assert_eq!(all(&order), [(0, 0..511), (0, 511..1023), (0, 1023..1280), (1, 0..1), (2, 0..1), (2, 1..2)]);
    }

    #[test]
    fn faults_go_first_and_then_what_is_behind_them() {
        let order = order(&[(0x4000_0000, 12 << 20, 4096)]);
        order.faulted(0, 3 * 512 + 7);
        order.faulted(0, 512);
        let units: Vec<_> = all(&order).into_iter().map(|(_, pages)| pages.start / 512).collect();
        assert_eq!(units, [1, 3, 2, 4, 0, 5]);
    }

    #[test]
    fn a_fault_in_the_last_unit_has_nothing_behind_it() {
        let order = order(&[(0x4000_0000, 4 << 20, 4096)]);
        order.faulted(0, 1023);
        assert_eq!(all(&order), [(0, 512..1024), (0, 0..512)]);
    }

    #[test]
    fn the_working_set_comes_first_and_then_all_else() {
        let order = order(&[(0x4000_0000, 6 << 20, 4096)]);
        let touched = [600..700, 1500..1501, 20..24, 1499..1502, 690..710];
        put_first(&order, touched);
        // The second unit is worth loading whole; of the others only what was touched.
        assert_eq!(all(&order), [(0, 512..1024), (0, 1499..1502), (0, 20..24), (0, 0..512), (0, 1024..1536)]);
    }

    #[test]
    fn a_working_set_of_most_units_comes_in_the_order_of_addresses() {
        let order = order(&[(0x4000_0000, 6 << 20, 4096)]);
        put_first(&order, [1024..1536, 512..1024]);
        assert_eq!(all(&order), [(0, 512..1024), (0, 1024..1536), (0, 0..512)]);
    }

    #[test]
    fn what_was_given_back_comes_again() {
        let order = order(&[(0x4000_0000, 2 << 20, 4096)]);
        let taken = order.take(Extent::All).unwrap();
        assert!(order.take(Extent::All).is_none());
        drop(taken);
        order.take(Extent::All).unwrap().is_loaded = true;
        assert!(order.take(Extent::All).is_none());
    }

    #[test]
    fn what_arrives_is_left_to_the_loader() {
        let order = order(&[(0x4000_0000, 4 << 20, 4096)]);
        let taken = order.take(Extent::All).unwrap();
        assert!(order.attend(0, 511).is_none());
        assert_eq!(order.attend(0, 600).unwrap().piece, Piece { index: 0, pages: 512..1024 });
        taken.arrive(|| assert!(order.attend(0, 511).is_none()));
        assert!(order.attend(0, 511).is_some());
        // Once more, after a failure.
        taken.arrive(|| assert!(order.attend(0, 511).is_none()));
        drop(taken);
        assert!(order.attend(0, 511).is_some());
    }

    #[test]
    fn nobody_relies_on_the_rest_of_a_unit() {
        let order = order(&[(0x4000_0000, 4 << 20, 4096)]);
        put_first(&order, std::iter::once(3..9));
        let taken = order.take(Extent::WorkingSet).unwrap();
        taken.arrive(|| assert!(order.attend(0, 3).is_some()));
    }

    #[test]
    fn what_is_attended_comes_late() {
        let order = order(&[(0x4000_0000, 8 << 20, 4096)]);
        put_first(&order, [512..1024, 1024..1536]);
        order.attend(0, 513).unwrap().is_placed = true;
        // Of this one the loader has to do the rest.
        drop(order.attend(0, 1030).unwrap());
        order.faulted(0, 513);
        assert_eq!(all(&order), [(0, 1024..1536), (0, 0..512), (0, 512..1024), (0, 1536..2048)]);
    }

    #[test]
    fn ranges_merge() {
        let mut parts =
            [1..3, 2..3, 3..4, 5..6].map(|pages| Part { number: 0, turn: 0, piece: Piece { index: 0, pages } });
        let merged: Vec<_> = merge(&mut parts).iter().map(|part| part.piece.pages.clone()).collect();
        assert_eq!(merged, [1..4, 5..6]);
    }

    /// What happens to an order.
    #[derive(Clone, Debug)]
    enum Step {
        Fault(Index, Index),
        Take(Extent),
        GiveBack(Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (any::<Index>(), any::<Index>()).prop_map(|(block, page)| Step::Fault(block, page)),
            Just(Step::Take(Extent::All)),
            Just(Step::Take(Extent::WorkingSet)),
            any::<Index>().prop_map(Step::GiveBack),
        ]
    }

    /// Blocks behind each other, some of them right behind: page size, pages, pages of 4 KiB in between.
    fn blocks() -> impl Strategy<Value = Vec<(usize, u64, u64)>> {
        let page_size = prop_oneof![6 => Just(4096_u64), 1 => Just(65536), 1 => Just(2 << 20), 1 => Just(4 << 20)];
        vec((page_size, 1..2000_u64, 0..700_usize), 1..5).prop_map(|blocks| {
            let mut at: usize = 1 << 30;
            let blocks = blocks.into_iter().map(|(page_size, pages, gap)| {
                let host = (at + gap * 4096).next_multiple_of(page_size as usize);
                let length = page_size * (1 + pages % (16 << 20 >> page_size.trailing_zeros()));
                at = host + length as usize;
                (host, length, page_size)
            });
            blocks.collect()
        })
    }

    proptest! {
        /// Whatever faults come, and whoever gives back: units that are kept cover every page once, and no unit lies across
        /// a border of units in memory.
        #[test]
        fn any_order_hands_out_every_page_once(blocks in blocks(), steps in vec(step(), 0..60)) {
            let order = order(&blocks);
            let pages = |index: usize| (blocks[index].1 / blocks[index].2) as usize;
            let mut kept: Vec<Taken<'_>> = Vec::new();
            for step in steps {
                match step {
                    Step::Fault(block, page) => {
                        let block = block.index(blocks.len());
                        order.faulted(block, page.index(pages(block)));
                    }
                    Step::Take(extent) => kept.extend(order.take(extent)),
                    Step::GiveBack(_) if kept.is_empty() => {}
                    Step::GiveBack(which) => drop(kept.swap_remove(which.index(kept.len()))),
                }
            }
            kept.extend(rest(&order));
            kept.sort_by_key(|taken| (taken.piece.index, taken.piece.pages.start));
            let mut at = (0, 0);
            for Piece { index, pages: unit } in kept.iter().map(|taken| taken.piece.clone()) {
                prop_assert_eq!((index, unit.start), at);
                let (host, _, page_size) = blocks[index];
                let (first, last) = (host + unit.start * page_size as usize, host + unit.end * page_size as usize - 1);
                prop_assert!(unit.len() == 1 || first / UNIT == last / UNIT, "{:?}", unit);
                at = if unit.end == pages(index) { (index + 1, 0) } else { (index, unit.end) };
            }
            prop_assert_eq!(at, (blocks.len(), 0));
        }

        /// The pieces of a working set lie in one unit each, hold all that was touched, and no page twice.
        #[test]
        fn any_working_set_is_divided_by_units(
            blocks in blocks(),
            touched in vec((any::<Index>(), any::<Index>(), prop_oneof![1..4_usize, 1..700_usize], any::<bool>()), 0..40),
        ) {
            let order = order(&blocks);
            let pages = |index: usize| (blocks[index].1 / blocks[index].2) as usize;
            let touched = touched.into_iter().map(|(block, page, count, close)| {
                let index = block.index(blocks.len());
                let start = page.index(if close { pages(index).min(16) } else { pages(index) });
                Piece { index, pages: start..(start + count).min(pages(index)) }
            });
            let touched: Vec<_> = touched.collect();
            let pieces = order.by_units(touched.iter().cloned()).unwrap();
            let mut held: Vec<_> = (0..blocks.len()).map(|index| vec![false; pages(index)]).collect();
            for Piece { index, pages } in pieces.iter() {
                let number = order.blocks[*index].number(pages.start);
                prop_assert!(!pages.is_empty() && order.blocks[*index].number(pages.end - 1) == number);
                for page in pages.clone() {
                    prop_assert!(!std::mem::replace(&mut held[*index][page], true), "page {} of {} twice", page, index);
                }
            }
            for Piece { index, pages } in touched {
                prop_assert!(pages.clone().all(|page| held[index][page]), "{:?} of {}", pages, index);
            }
        }
    }
}
