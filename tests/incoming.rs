//! The Rust API, with real faults.

use std::fs;
use std::os::raw::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use uffd_incoming::{
    BlockId, Config, Event, Fault, Hooks, Incoming, LoadConfig, LogLevel, PageHandler, RamBlockSpec, Result, Snapshot,
    load,
};

const PAGE: usize = 4096;
const TIMEOUT: Duration = Duration::from_secs(20);
/// Linux 6.6.
const UFFD_FEATURE_POISON: u64 = 1 << 14;

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

    /// Has the kernel read a page, on a thread of its own: nothing, if that is poisoned.
    fn look(self: &Arc<Self>, page: usize) -> mpsc::Receiver<Option<u8>> {
        assert!(page < self.pages);
        let (sender, receiver) = mpsc::channel();
        let ram = self.clone();
        thread::spawn(move || {
            let mut seen = 0_u8;
            let from = libc::iovec { iov_base: ram.start.wrapping_add(page * PAGE).cast(), iov_len: 1 };
            let to = libc::iovec { iov_base: (&raw mut seen).cast(), iov_len: 1 };
            // SAFETY: one byte is written, to `seen`.
            let read = unsafe { libc::process_vm_readv(libc::getpid(), &to, 1, &from, 1, 0) };
            sender.send((read == 1).then_some(seen))
        });
        receiver
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

/// Collects events, and errors that are logged.
#[derive(Default)]
struct Watcher {
    events: Mutex<Vec<Event>>,
    errors: Mutex<Vec<String>>,
}

impl Hooks for Watcher {
    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }

    fn log(&self, level: LogLevel, message: &str) {
        if level == LogLevel::Error {
            self.errors.lock().unwrap().push(message.to_owned());
        }
    }
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

/// Fills each page as [`Numbers`] does, but panics at one as often as it is told to.
struct Panics {
    page: u64,
    times: AtomicU32,
}

impl PageHandler for Panics {
    fn page(&self, fault: &Fault<'_>) -> Result<()> {
        let panics = fault.offset() / PAGE as u64 == self.page
            && self.times.fetch_update(SeqCst, SeqCst, |times| times.checked_sub(1)).is_ok();
        assert!(!panics, "on purpose");
        Numbers.page(fault)
    }
}

#[test]
fn a_handler_that_panics_pauses_and_is_asked_again() {
    let ram = Ram::new(4);
    let watcher = Arc::new(Watcher::default());
    let incoming = Incoming::new(config(watcher.clone())).unwrap();
    ram.add_to(&incoming);
    incoming.setup(Arc::new(Panics { page: 1, times: AtomicU32::new(1) }), 1).unwrap();
    let touched = ram.touch(1);
    while !incoming.stats().paused {
        thread::yield_now();
    }
    let other = ram.touch(2);
    thread::sleep(Duration::from_millis(30));
    assert!(touched.try_recv().is_err(), "the page must stay missing");
    assert!(other.try_recv().is_err(), "a page is served during the pause");
    assert_eq!((incoming.stats().source_errors, incoming.stats().pages_requested), (1, 1));
    incoming.resume().unwrap();
    assert_eq!(touched.recv_timeout(TIMEOUT), Ok(2));
    assert_eq!(other.recv_timeout(TIMEOUT), Ok(3));
    incoming.cleanup().unwrap();
    let events = watcher.events.lock().unwrap();
    let [Event::SourceError(error), Event::Paused(Some(reason)), Event::Resumed] = &events[..] else {
        panic!("unexpected events: {events:?}");
    };
    assert_eq!((error.errno(), error), (libc::ENOTRECOVERABLE, reason));
    assert!(error.message().contains("the page handler panicked: on purpose"), "{error}");
}

#[test]
fn a_page_whose_handler_panics_is_poisoned_if_asked_for_and_all_else_goes_on() {
    let watcher = Arc::new(Watcher::default());
    let config = Config { poison: true, ..config(watcher.clone()) };
    if config.user_mode_only || uffd_incoming::probe().features & UFFD_FEATURE_POISON == 0 {
        return;
    }
    let ram = Ram::new(4);
    let incoming = Incoming::new(config).unwrap();
    ram.add_to(&incoming);
    incoming.setup(Arc::new(Panics { page: 1, times: AtomicU32::new(u32::MAX) }), 1).unwrap();
    assert_eq!(ram.look(1).recv_timeout(TIMEOUT), Ok(None));
    assert_eq!(ram.touch(2).recv_timeout(TIMEOUT), Ok(3));
    // Counted before that fault was served.
    let stats = incoming.stats();
    assert_eq!((stats.pages_poisoned, stats.source_errors, stats.paused), (1, 1, false));
    incoming.place_page(BlockId(1), ram.start as usize + PAGE, [7; PAGE].as_ptr()).unwrap();
    assert_eq!(ram.touch(1).recv_timeout(TIMEOUT), Ok(7), "placing heals");
    incoming.cleanup().unwrap();
    let events = watcher.events.lock().unwrap();
    let [Event::SourceError(error)] = &events[..] else { panic!("unexpected events: {events:?}") };
    assert_eq!(error.errno(), libc::ENOTRECOVERABLE);
    assert!(error.message().contains("the page handler panicked: on purpose"), "{error}");
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
        fn setup_done(&self) -> Result<()> {
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

/// A flat image of which page N is full of N + 1; it is gone with what opens it.
fn snapshot(pages: usize) -> Arc<Snapshot> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("uffd-incoming-test.{}.{}", std::process::id(), NEXT.fetch_add(1, SeqCst));
    let (image, description) = (std::env::temp_dir().join(&name), std::env::temp_dir().join(name.clone() + ".flat"));
    let bytes: Vec<u8> = (0..pages).flat_map(|page| [page as u8 + 1; PAGE]).collect();
    fs::write(&image, bytes).unwrap();
    fs::write(&description, format!("uffd-incoming flat 1\nimage {name}\nblock 0 {} ram\n", pages * PAGE)).unwrap();
    let snapshot = Snapshot::open(&description).unwrap();
    [image, description].into_iter().for_each(|path| fs::remove_file(path).unwrap());
    Arc::new(snapshot)
}

#[test]
fn an_incomplete_load_that_is_dropped_goes_on() {
    let (ram, watcher) = (Ram::new(8), Arc::new(Watcher::default()));
    let incoming = Incoming::new(config(watcher.clone())).unwrap();
    ram.add_to(&incoming);
    load(&incoming, &snapshot(8), &LoadConfig { background: false, ..LoadConfig::default() }).unwrap();
    assert_eq!(ram.read(1), 2);
    drop(incoming);
    assert_eq!((0..8).map(|page| ram.read(page)).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
    let errors = watcher.errors.lock().unwrap();
    assert!(errors.len() == 1 && errors[0].contains("stays armed"), "{errors:?}");
}

#[test]
fn a_complete_load_that_is_dropped_is_cleaned_up() {
    let (ram, watcher) = (Ram::new(8), Arc::new(Watcher::default()));
    let incoming = Incoming::new(config(watcher.clone())).unwrap();
    ram.add_to(&incoming);
    load(&incoming, &snapshot(8), &LoadConfig::default()).unwrap();
    incoming.wait(Some(TIMEOUT)).unwrap();
    drop(incoming);
    // No thread of it is left that holds the hooks.
    assert_eq!(Arc::strong_count(&watcher), 1);
    // What is discarded now is nobody's but the kernel's.
    // SAFETY: our own mapping, in which no reference points.
    assert_eq!(unsafe { libc::madvise(ram.start.cast(), PAGE, libc::MADV_DONTNEED) }, 0);
    assert_eq!((ram.read(0), ram.read(7)), (0, 8));
    assert!(watcher.errors.lock().unwrap().is_empty());
}

#[test]
fn an_error_is_one_of_the_standard_library_too() {
    let Err(error) = Snapshot::open(std::path::Path::new("/nowhere/at all")) else { panic!("there is no such file") };
    let words = error.to_string();
    let error = std::io::Error::from(error);
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert_eq!(error.to_string(), words);
    let inner = error.get_ref().unwrap().downcast_ref::<uffd_incoming::Error>().unwrap();
    assert_eq!(inner.errno(), libc::ENOENT);
}
