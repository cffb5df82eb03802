//! A handler whose pages arrive now or later, pages that are placed unasked, a pause, a block that goes.

use std::sync::{Arc, LazyLock, Mutex};

use uffd_incoming::{BlockId, Fault, PageHandler, Result};

use super::ram::{Behind, Contents, MIB, PAGE, Ram, Touchers};
use super::rig::{Rig, Watcher};
use super::run::{Abandoned, Run};

const RAM: BlockId = BlockId(1);
const DEVICE: BlockId = BlockId(2);

/// Enough for two fault threads to have a part each.
const LENGTH: usize = 4 * MIB;

const ASKED: [usize; 24] =
    [0, 1, 2, 3, 4, 5, 6, 7, 13, 511, 512, 600, 601, 602, 603, 604, 605, 700, 900, 901, 902, 903, 1022, 1023];
const ALONE: std::ops::Range<usize> = 100..112;
const UNASKED: std::ops::Range<usize> = 200..216;
const ZERO: usize = 216;
const PRESENT: std::ops::Range<usize> = 301..303;

/// Places what it is asked for at once, but for some pages, which come later; and of the device's never.
struct Source {
    contents: Contents,
    later: Mutex<Vec<usize>>,
}

impl PageHandler for Source {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        let page = fault.offset() as usize / PAGE;
        if fault.block_id() == DEVICE {
            return Ok(());
        }
        match page {
            _ if page % 8 == 5 => self.later.lock().unwrap().push(page),
            _ if self.contents.is_zero(page) => return fault.place_zeros(),
            _ => return fault.place(self.contents.page(page)),
        }
        Ok(())
    }
}

pub fn play(run: &Run<'_>, fault_threads: u32) {
    let (ram, device) = (Ram::new(Behind::Anonymous, LENGTH), Ram::new(Behind::Memfd, 16 * PAGE));
    static CONTENTS: LazyLock<Contents> = LazyLock::new(|| Contents::new(LENGTH / PAGE, |page| page % 4 == 0));
    let contents = CONTENTS.clone();
    PRESENT.for_each(|page| ram.write(page, contents.page(page)));
    let rig = Rig::new(run, fault_threads, Watcher::default());
    ram.add_to(&rig.incoming, RAM.0, "ram");
    device.add_to(&rig.incoming, DEVICE.0, "device");
    let source = Arc::new(Source { contents, later: Mutex::default() });
    let mut touchers = Touchers::default();
    let played = play_out(&rig, &source, &ram, &device, &mut touchers);
    rig.end(played, touchers);
}

fn play_out(
    rig: &Rig<'_>,
    source: &Arc<Source>,
    ram: &Arc<Ram>,
    device: &Arc<Ram>,
    touchers: &mut Touchers,
) -> Result<(), Abandoned> {
    let (run, incoming, contents) = (rig.run, &rig.incoming, &source.contents);
    let place_page = |page: usize| {
        let from = contents.page(page).as_ptr();
        run.call("placing a page", || incoming.place_page(RAM, ram.address(page), from))
    };
    rig.set_up(|| incoming.setup(source.clone(), 2))?;

    // One thread that stays where it is.
    touchers.start_pinned(ram, contents, ALONE.filter(|page| page % 8 != 5).collect());
    rig.until(|| touchers.at_work() == 0)?;

    // Several, and some of what they ask for comes later.
    touchers.start(ram, contents, ASKED);
    touchers.start(ram, contents, ASKED.into_iter().rev());
    touchers.start(ram, contents, ASKED.into_iter().step_by(2));
    let from = contents.page(UNASKED.start).as_ptr();
    run.call("placing a range", || incoming.place_range(RAM, ram.address(UNASKED.start), from, UNASKED.len() * PAGE))?;
    run.call("placing zeros", || incoming.place_zero_page(RAM, ram.address(ZERO)))?;
    rig.until_done(|| {
        let later = std::mem::take(&mut *source.later.lock().unwrap());
        later.into_iter().try_for_each(place_page)?;
        Ok(touchers.at_work() == 0)
    })?;

    // Pages that are there already: told, and placed once more.
    let (offset, length) = ((PRESENT.start * PAGE) as u64, (PRESENT.len() * PAGE) as u64);
    run.call("marking received", || incoming.mark_received(RAM, offset, length))?;
    place_page(PRESENT.start)?;

    incoming.pause().unwrap();
    touchers.start(ram, contents, [UNASKED.start, ZERO, 400]);
    rig.resume();
    rig.until(|| touchers.at_work() == 0)?;

    // What was discarded reads as zeros.
    static ZEROS: LazyLock<Contents> = LazyLock::new(|| Contents::new(LENGTH / PAGE, |_| true));
    let zeros = ZEROS.clone();
    ram.discard(UNASKED.start);
    touchers.start(ram, &zeros, [UNASKED.start]);
    rig.until(|| touchers.at_work() == 0)?;
    place_page(UNASKED.start)?;

    // A block goes, and lets go of who waits in it.
    touchers.start(device, &zeros, [3]);
    rig.until(|| incoming.requested().unwrap().contains(&(DEVICE, (3 * PAGE) as u64)))?;
    run.call("removing a block", || incoming.remove_ram_block(DEVICE))?;
    rig.until(|| touchers.at_work() == 0)?;
    touchers.start(device, &zeros, [4]);
    rig.until(|| touchers.at_work() == 0)?;

    let expected = |page: &usize| ASKED.contains(page) || ALONE.contains(page) && page % 8 != 5;
    for page in (0..LENGTH / PAGE).filter(|page| expected(page) || PRESENT.contains(page)) {
        assert!(ram.holds(page, contents.page(page)), "page {page} is wrong");
    }
    Ok(())
}
