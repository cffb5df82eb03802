//! RAM of a machine that is not there, and threads that touch it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::Pid;
use uffd_incoming::{BlockId, Incoming, RamBlockSpec};

pub const PAGE: usize = 4096;
pub const MIB: usize = 1 << 20;

/// RAM is aligned to a huge page.
const HUGE_PAGE: usize = 2 * MIB;

#[derive(Clone, Copy, Debug)]
pub enum Behind {
    Anonymous,
    Memfd,
    PrivateMemfd,
}

/// A mapping; unmapped when dropped.
pub struct Ram {
    mapped: *mut u8,
    start: *mut u8,
    length: usize,
    file: Option<File>,
}

// SAFETY: raw memory, touched by volatile accesses and by the kernel only.
unsafe impl Send for Ram {}
// SAFETY: as for Send.
unsafe impl Sync for Ram {}

impl Ram {
    pub fn new(behind: Behind, length: usize) -> Arc<Self> {
        let file = match behind {
            Behind::Anonymous => None,
            Behind::Memfd | Behind::PrivateMemfd => {
                let file = File::from(memfd_create("ram", MFdFlags::MFD_CLOEXEC).unwrap());
                file.set_len(length as u64).unwrap();
                Some(file)
            }
        };
        Arc::new(Self::map(file, length, matches!(behind, Behind::Memfd)))
    }

    /// One more mapping of the same file.
    pub fn again(&self) -> Arc<Self> {
        let file = self.file.as_ref().expect("RAM with a file").try_clone().unwrap();
        Arc::new(Self::map(Some(file), self.length, true))
    }

    fn map(file: Option<File>, length: usize, shared: bool) -> Self {
        let map = |at: *mut u8, length, flags, fd| {
            // SAFETY: a new mapping wherever the kernel likes, or inside of one that nobody has used yet.
            let start = unsafe { libc::mmap(at.cast(), length, libc::PROT_READ | libc::PROT_WRITE, flags, fd, 0) };
            assert_ne!(start, libc::MAP_FAILED);
            start.cast::<u8>()
        };
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let mapped = map(ptr::null_mut(), length + HUGE_PAGE, anonymous, -1);
        let start = mapped.wrapping_add(mapped.align_offset(HUGE_PAGE));
        if let Some(file) = &file {
            let kind = if shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
            map(start, length, kind | libc::MAP_FIXED, file.as_fd().as_raw_fd());
        }
        Self { mapped, start, length, file }
    }

    pub fn host(&self) -> usize {
        self.start.expose_provenance()
    }

    pub fn length(&self) -> usize {
        self.length
    }

    pub fn pages(&self) -> usize {
        self.length / PAGE
    }

    pub fn address(&self, page: usize) -> usize {
        self.host() + page * PAGE
    }

    /// Makes a page present.
    pub fn write(&self, page: usize, bytes: &[u8]) {
        assert!(page < self.pages() && bytes.len() <= PAGE);
        // SAFETY: inside of the mapping, which nobody refers to.
        unsafe { self.start.add(page * PAGE).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    pub fn discard(&self, page: usize) {
        assert!(page < self.pages());
        // SAFETY: inside of the mapping, which nobody refers to.
        assert_eq!(unsafe { libc::madvise(self.start.add(page * PAGE).cast(), PAGE, libc::MADV_DONTNEED) }, 0);
    }

    /// Asks for huge pages, as a VMM does for its RAM. Where there are none, it makes no difference.
    pub fn ask_for_huge_pages(&self) {
        // SAFETY: the mapping's own advice, which leaves its contents alone.
        unsafe { libc::madvise(self.start.cast(), self.length, libc::MADV_HUGEPAGE) };
    }

    /// Whether a page is as it should be; waits for it, if need be.
    pub fn holds(&self, page: usize, bytes: &[u8]) -> bool {
        assert!(page < self.pages() && bytes.len() == PAGE);
        // The kernel may fail to read it, and then says so; so does a thread of a machine.
        // SAFETY: inside of the mapping.
        unsafe { self.start.add(page * PAGE).read_volatile() };
        // SAFETY: inside of the mapping, and of the bytes. Nobody writes to the page once it is there.
        unsafe { libc::memcmp(self.start.add(page * PAGE).cast(), bytes.as_ptr().cast(), PAGE) == 0 }
    }

    /// What the kernel reads in a page, none if that is poisoned; waits for it, if need be.
    pub fn look(&self, page: usize) -> Option<[u8; PAGE]> {
        assert!(page < self.pages());
        let mut bytes = [0xee; PAGE];
        let to = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: PAGE };
        let from = libc::iovec { iov_base: self.start.wrapping_add(page * PAGE).cast(), iov_len: PAGE };
        // SAFETY: a page inside of the mapping is read into a page of our own.
        let read = unsafe { libc::process_vm_readv(libc::getpid(), &to, 1, &from, 1, 0) };
        (read == PAGE as isize).then_some(bytes)
    }

    pub fn add_to(&self, incoming: &Incoming, id: usize, name: &str) {
        let (host, length, page_size) = (self.host(), self.length as u64, PAGE as u64);
        let block = RamBlockSpec { idstr: name.to_owned(), host, length, page_size };
        // SAFETY: the mapping outlives its use as RAM in each scenario, and is touched as raw memory only.
        unsafe { incoming.add_ram_block(BlockId(id), block) }.unwrap();
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`; nobody is left who touches it.
        assert_eq!(unsafe { libc::munmap(self.mapped.cast(), self.length + HUGE_PAGE) }, 0);
    }
}

/// What is to be in RAM.
#[derive(Clone)]
pub struct Contents {
    bytes: Arc<[u8]>,
    /// For each page, whether all of it is zeros.
    zero: Arc<[bool]>,
}

impl Contents {
    /// Pages that all differ, but where `is_zero` says so of one.
    pub fn new(pages: usize, is_zero: impl Fn(usize) -> bool) -> Self {
        let mut bytes = vec![0; pages * PAGE];
        let zero: Arc<[_]> = (0..pages).map(is_zero).collect();
        for (number, page) in bytes.chunks_mut(PAGE).enumerate().filter(|(number, _)| !zero[*number]) {
            for (index, word) in page.chunks_mut(8).enumerate() {
                word.copy_from_slice(&((number * PAGE + index + 1) as u64).to_ne_bytes());
            }
        }
        Self { bytes: bytes.into(), zero }
    }

    pub fn page(&self, page: usize) -> &[u8] {
        &self.bytes[page * PAGE..][..PAGE]
    }

    pub fn pages(&self) -> usize {
        self.zero.len()
    }

    pub fn is_zero(&self, page: usize) -> bool {
        self.zero[page]
    }
}

pub const ZEROS: [u8; PAGE] = [0; PAGE];

/// Threads that touch pages and look at what is there.
#[derive(Default)]
pub struct Touchers {
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    at_work: AtomicUsize,
    /// From now on, missing pages may be zeros.
    abandoned: AtomicBool,
    wrong: Mutex<Vec<String>>,
}

impl Touchers {
    /// Starts one that looks for these bytes in these pages.
    pub fn start(&mut self, ram: &Arc<Ram>, contents: &Contents, pages: impl IntoIterator<Item = usize>) {
        let (ram, contents, pages) = (ram.clone(), contents.clone(), pages.into_iter().collect());
        self.spawn(false, pages, move |page| ram.holds(page, contents.page(page)));
    }

    /// The same, but it stays at one CPU.
    pub fn start_pinned(&mut self, ram: &Arc<Ram>, contents: &Contents, pages: Vec<usize>) {
        let (ram, contents) = (ram.clone(), contents.clone());
        self.spawn(true, pages, move |page| ram.holds(page, contents.page(page)));
    }

    /// Starts one that has the kernel look at pages, and is told what it saw.
    pub fn start_looking(
        &mut self,
        ram: &Arc<Ram>,
        pages: impl IntoIterator<Item = usize>,
        is_right: impl Fn(usize, Option<[u8; PAGE]>) -> bool + Send + 'static,
    ) {
        let ram = ram.clone();
        self.spawn(false, pages.into_iter().collect(), move |page| is_right(page, ram.look(page)));
    }

    fn spawn(&mut self, pinned: bool, pages: Vec<usize>, is_right: impl Fn(usize) -> bool + Send + 'static) {
        let shared = self.shared.clone();
        shared.at_work.fetch_add(1, SeqCst);
        self.threads.push(thread::spawn(move || {
            if pinned {
                stay_here();
            }
            for page in pages {
                if !is_right(page) && !shared.abandoned.load(SeqCst) {
                    shared.wrong.lock().unwrap().push(format!("page {page}"));
                }
            }
            drop(is_right);
            shared.at_work.fetch_sub(1, SeqCst);
        }));
    }

    pub fn at_work(&self) -> usize {
        self.shared.at_work.load(SeqCst)
    }

    /// What is missing is about to become zeros.
    pub fn abandon(&self) {
        self.shared.abandoned.store(true, SeqCst);
    }

    pub fn join(self) {
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let wrong = self.shared.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "seen wrong by a thread: {wrong:?}");
    }
}

/// Pins this thread to one of the CPUs that it may run on.
fn stay_here() {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap()).unwrap()).unwrap();
    sched_setaffinity(this, &one).unwrap();
}
