//! A postcopy: the destination's vCPU runs from the start, and its missing pages come from the source over sockets.
//! cargo run --example postcopy
//!
//! The source is a thread here; only two sockets connect it with the destination.

use std::error::Error;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use uffd_incoming::{BlockId, Config, Fault, Incoming, PageHandler, RamBlockSpec};

const PAGE: usize = 4096;
const PAGES: usize = 16384;
const RAM: BlockId = BlockId(0);

/// What the source has.
fn byte_of(page: usize) -> u8 {
    (page % 251 + 1) as u8
}

/// Sends all pages in order, and each requested page at once. Returns when the destination, which then has all pages, hangs up.
fn run_source(mut requests: UnixStream, pages: UnixStream) {
    let pages = Mutex::new(pages);
    let send = |page: usize| -> io::Result<()> {
        let mut pages = pages.lock().expect("no sender panics");
        pages.write_all(&(page as u64).to_le_bytes())?;
        pages.write_all(&[byte_of(page); PAGE])
    };
    thread::scope(|scope| {
        scope.spawn(|| (0..PAGES).try_for_each(send));
        let mut page = [0; 8];
        while requests.read_exact(&mut page).and_then(|()| send(u64::from_le_bytes(page) as usize)).is_ok() {}
    });
}

/// Asks the source for a page that a thread waits for.
struct AskSource(UnixStream);

impl PageHandler for AskSource {
    fn page(&self, fault: &Fault<'_>) -> uffd_incoming::Result<()> {
        let page = fault.offset() / PAGE as u64;
        let asked = (&self.0).write_all(&page.to_le_bytes());
        asked.map_err(|error| uffd_incoming::Error::from(error).context("the source"))
    }
}

/// Places the pages that arrive, until all have.
fn place_pages(incoming: &Incoming, ram: usize, mut pages: UnixStream) -> Result<(), Box<dyn Error>> {
    let (mut header, mut bytes) = ([0; 8], [0; PAGE]);
    let mut left = PAGES;
    while left > 0 {
        pages.read_exact(&mut header)?;
        pages.read_exact(&mut bytes)?;
        let offset = u64::from_le_bytes(header) * PAGE as u64;
        // A requested page arrives twice; the second copy is ignored.
        left -= usize::from(!incoming.page_received(RAM, offset)?);
        incoming.place_page(RAM, ram + offset as usize, bytes.as_ptr())?;
    }
    Ok(())
}

/// Reads pages all over the RAM, and returns how many differ from the source's.
fn run_vcpu(ram: usize) -> usize {
    let touched = (0..PAGES).map(|i| i * 7919 % PAGES);
    // SAFETY: mapped guest RAM, which other threads may write to: hence volatile.
    touched.filter(|page| unsafe { ptr::read_volatile((ram + page * PAGE) as *const u8) } != byte_of(*page)).count()
}

fn main() -> Result<(), Box<dyn Error>> {
    let length = NonZeroUsize::new(PAGES * PAGE).expect("some pages");
    // SAFETY: the kernel chooses where; nothing else is there.
    let ram =
        unsafe { mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE) }?;
    let ram = ram.as_ptr() as usize;
    let (requests, asked) = UnixStream::pair()?;
    let (sending, arriving) = UnixStream::pair()?;
    let source = thread::spawn(move || run_source(asked, sending));

    let incoming = Incoming::new(Config::default())?;
    let block = RamBlockSpec { idstr: "ram".into(), host: ram, length: length.get() as u64, page_size: PAGE as u64 };
    // SAFETY: the memory stays mapped, and is only touched as guest RAM: no reference points into it.
    unsafe { incoming.add_ram_block(RAM, block) }?;
    incoming.setup(Arc::new(AskSource(requests)), 1)?;
    let vcpu = thread::spawn(move || run_vcpu(ram));

    place_pages(&incoming, ram, arriving)?;
    let wrong = vcpu.join().expect("the vCPU does not panic");
    let stats = incoming.stats();
    incoming.cleanup()?; // drops the handler, with the requests' socket: the source ends
    drop(incoming);
    source.join().expect("the source does not panic");
    println!("{} pages placed, {} of them asked for, {wrong} wrong", stats.pages_placed, stats.pages_requested);
    if wrong > 0 { Err("the RAM is not the source's".into()) } else { Ok(()) }
}
