//! Unreadable pages, which are poisoned; one of them becomes readable after all.

use std::sync::{Arc, LazyLock};

use nix::errno::Errno;
use uffd_incoming::injection::{Call, Failure};
use uffd_incoming::{BlockId, Config, Error, Fault, PageHandler, Result};

use super::ram::{Behind, Contents, PAGE, Ram, Touchers};
use super::rig::{Rig, Watcher};
use super::run::{Abandoned, Run};

const RAM: BlockId = BlockId(1);
const PAGES: usize = 16;
const BAD: [usize; 2] = [3, 9];

struct Source(Contents);

impl PageHandler for Source {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        let page = fault.offset() as usize / PAGE;
        if BAD.contains(&page) {
            return Err(Error::new(libc::EIO, "a page that nobody has"));
        }
        fault.place(self.0.page(page))
    }
}

pub fn play(run: &Run<'_>) {
    static CONTENTS: LazyLock<Contents> = LazyLock::new(|| Contents::new(PAGES, |_| false));
    let ram = Ram::new(Behind::Anonymous, PAGES * PAGE);
    let rig = Rig::with(run, Config { poison: true, ..Config::default() }, Watcher::default());
    ram.add_to(&rig.incoming, RAM.0, "ram");
    let mut touchers = Touchers::default();
    let played = play_out(&rig, &ram, &CONTENTS, &mut touchers);
    rig.end(played, touchers);
}

fn play_out(rig: &Rig<'_>, ram: &Arc<Ram>, contents: &Contents, touchers: &mut Touchers) -> Result<(), Abandoned> {
    let incoming = &rig.incoming;
    rig.set_up(|| incoming.setup(Arc::new(Source(contents.clone())), 1))?;
    // What the handler wants to place may be nowhere: then that page is unreadable, too.
    let injected = rig.run.plan.map(|plan| (plan.call, plan.failure));
    let others_may_be = injected == Some((Call::Copy, Failure::Errno(Errno::EFAULT)));
    let good = contents.clone();
    touchers.start_looking(ram, [0, 1, 2, 4, 15], move |page, seen| {
        seen.map_or(others_may_be, |bytes| bytes == good.page(page))
    });
    touchers.start_looking(ram, BAD, |_, seen| seen.is_none());
    // Counted a little later.
    rig.until(|| touchers.at_work() == 0 && incoming.stats().pages_poisoned >= BAD.len() as u64)?;
    let poisoned = incoming.stats().pages_poisoned;
    assert!(poisoned == BAD.len() as u64 || others_may_be, "{poisoned} pages are poisoned");
    let (from, zeros) = (contents.page(BAD[0]).as_ptr(), [0_u8; PAGE]);
    rig.run.call("healing a page", || incoming.place_page(RAM, ram.address(BAD[0]), from))?;
    rig.run.call("healing by zeros", || incoming.place_zero_page(RAM, ram.address(BAD[1])))?;
    rig.until(|| true)?;
    assert!(ram.holds(BAD[0], contents.page(BAD[0])) && ram.holds(BAD[1], &zeros));
    Ok(())
}
