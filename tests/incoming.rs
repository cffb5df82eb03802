//! The Rust API, with real faults.

use std::os::raw::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use uffd_incoming::{BlockId, Config, Event, Fault, Hooks, Incoming, LogLevel, PageHandler, RamBlockSpec, Result};

const PAGE: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(20);

/// Private anonymous memory that stands in for a VM's RAM.
struct Ram {
    start: *mut u8,
    pages: usize,
}

// SAFETY: raw memory, touched with volatile accesses only.
unsafe impl Send for Ram {}
// SAFETY: as for Send.
unsafe impl Sync for Ram {}

impl Ram {
    fn new(pages: usize) -> Arc<Self> {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping wherever the kernel likes.
        let start = unsafe { libc::mmap(ptr::null_mut(), pages * PAGE, protection, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        Arc::new(Self { start: start.cast(), pages })
    }

    fn read(&self, page: usize) -> u8 {
        assert!(page < self.pages);
        // SAFETY: inside the mapping.
        unsafe { self.start.add(page * PAGE + 7).read_volatile() }
    }

    /// Reads a page on a thread of its own, since it may take as long as it likes.
    fn touch(self: &Arc<Self>, page: usize) -> mpsc::Receiver<u8> {
        let (sender, receiver) = mpsc::channel();
        let ram = self.clone();
        thread::spawn(move || sender.send(ram.read(page)));
        receiver
    }

    fn add_to(&self, incoming: &Incoming) {
        let block = RamBlockSpec {
            idstr: "ram".into(),
            host: self.start.expose_provenance(),
            length: (self.pages * PAGE) as u64,
            page_size: PAGE as u64,
        };
        // SAFETY: the mapping outlives the incoming side in every test, and is only touched by volatile reads.
        unsafe { incoming.add_ram_block(BlockId(1), block) }.unwrap();
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; nobody is left who touches it.
        assert_eq!(unsafe { libc::munmap(self.start.cast::<c_void>(), self.pages * PAGE) }, 0);
    }
}

/// Collects events; keeps quiet.
#[derive(Default)]
struct Watcher {
    events: Mutex<Vec<Event>>,
}

impl Hooks for Watcher {
    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }

    fn log(&self, _level: LogLevel, _message: &str) {}
}

fn config(hooks: Arc<dyn Hooks>) -> Config {
    let user_mode_only = std::env::var_os("UFFD_TEST_USER_MODE_ONLY").is_some();
    Config { user_mode_only, hooks, ..Config::default() }
}

/// Fills each page with its number plus one, except that page 0 is zeros.
struct Numbers;

impl PageHandler for Numbers {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        assert_eq!(fault.block_id(), BlockId(1));
        match fault.offset() / PAGE as u64 {
            0 => fault.place_zeros(),
            page => fault.place(&[page as u8 + 1; PAGE]),
        }
    }
}

#[test]
fn faults_are_served_where_they_happen() {
    let ram = Ram::new(8);
    let incoming = Incoming::new(config(Arc::new(Watcher::default()))).unwrap();
    ram.add_to(&incoming);
    incoming.setup(Arc::new(Numbers), 1).unwrap();
    let seen: Vec<u8> = (0..8).map(|page| ram.read(page)).collect();
    assert_eq!(seen, [0, 2, 3, 4, 5, 6, 7, 8]);
    incoming.cleanup().unwrap();
    // Statistics survive the clean-up. Before it, the last page may be in place and not counted yet.
    let stats = incoming.stats();
    assert_eq!((stats.faults, stats.pages_placed, stats.zero_pages_placed), (8, 7, 1));
}

#[test]
fn a_page_of_the_wrong_size_is_refused() {
    struct Short(AtomicBool);
    impl PageHandler for Short {
        fn page(&self, fault: &Fault<'_>) -> Result<()> {
            let error = fault.place(&[1; 100]).unwrap_err();
            self.0.store(error.errno() == libc::EINVAL, SeqCst);
            fault.place_zeros()
        }
    }
    let ram = Ram::new(1);
    let incoming = Incoming::new(config(Arc::new(Watcher::default()))).unwrap();
    ram.add_to(&incoming);
    let handler = Arc::new(Short(AtomicBool::new(false)));
    incoming.setup(handler.clone(), 1).unwrap();
    assert_eq!(ram.read(0), 0);
    assert!(handler.0.load(SeqCst));
    incoming.cleanup().unwrap();
}

#[test]
fn a_handler_that_panics_pauses_and_is_asked_again() {
    struct PanicsOnce(AtomicU32);
    impl PageHandler for PanicsOnce {
        fn page(&self, fault: &Fault<'_>) -> Result<()> {
            assert!(self.0.fetch_add(1, SeqCst) > 0, "on purpose");
            fault.place(&[9; PAGE])
        }
    }
    let ram = Ram::new(1);
    let watcher = Arc::new(Watcher::default());
    let incoming = Incoming::new(config(watcher.clone())).unwrap();
    ram.add_to(&incoming);
    incoming.setup(Arc::new(PanicsOnce(AtomicU32::new(0))), 1).unwrap();
    let touched = ram.touch(0);
    while !incoming.stats().paused {
        thread::yield_now();
    }
    assert!(touched.try_recv().is_err(), "the page must stay missing");
    incoming.resume().unwrap();
    assert_eq!(touched.recv_timeout(PATIENCE).unwrap(), 9);
    incoming.cleanup().unwrap();
    let events = watcher.events.lock().unwrap();
    let [Event::SourceError(error), Event::Paused(Some(reason)), Event::Resumed] = &events[..] else {
        panic!("unexpected events: {events:?}");
    };
    assert_eq!((error.errno(), reason.errno()), (libc::ENOTRECOVERABLE, libc::ENOTRECOVERABLE));
    assert!(error.message().contains("on purpose"), "{error}");
}

#[test]
fn hooks_that_panic_harm_nobody() {
    struct Panics;
    impl Hooks for Panics {
        fn event(&self, _event: &Event) {
            panic!("in event");
        }
        fn log(&self, _level: LogLevel, _message: &str) {
            panic!("in log");
        }
        fn thread_start(&self, _name: &std::ffi::CStr) {
            panic!("in thread_start");
        }
        fn setup_done(&self, _incoming: &Incoming) -> Result<()> {
            panic!("in setup_done");
        }
    }
    let ram = Ram::new(1);
    let incoming = Incoming::new(config(Arc::new(Panics))).unwrap();
    ram.add_to(&incoming);
    let error = incoming.setup(Arc::new(Numbers), 1).unwrap_err();
    assert_eq!(error.errno(), libc::ENOTRECOVERABLE, "{error}");
    assert_eq!(ram.read(0), 0, "nothing is registered any more");
    incoming.configure(config(Arc::new(Watcher::default()))).unwrap();
    incoming.setup(Arc::new(Numbers), 1).unwrap();
    incoming.cleanup().unwrap();
}

#[test]
fn a_retired_side_cannot_be_set_up() {
    let ram = Ram::new(1);
    let incoming = Incoming::new(config(Arc::new(Watcher::default()))).unwrap();
    ram.add_to(&incoming);
    incoming.retire().unwrap();
    assert_eq!(incoming.setup(Arc::new(Numbers), 1).unwrap_err().errno(), libc::ENOENT);
}
