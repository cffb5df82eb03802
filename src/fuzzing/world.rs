//! What C calls are made with: RAM, a client that maps some of it too, a snapshot, and threads that touch pages.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int, c_void};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};

use crate::abi::types::RAMBlock;
use crate::kernel::{HUGE_PAGE, Opening, Userfaultfd};
use crate::source::fuzzing::{file, path};

const PAGE: usize = 4096;

/// The length of the longest region.
pub(super) const MOST_RAM: usize = 2 * HUGE_PAGE;

/// How many handles of blocks there are.
pub(super) const RB: usize = 3;

/// How many threads touch pages for an input.
const MOST_TOUCHERS: usize = 12;

/// The one world: it is the same for all inputs, but that its RAM is empty at the begin of each.
pub(super) fn world() -> Arc<World> {
    static WORLD: LazyLock<Arc<World>> = LazyLock::new(|| Arc::new(World::new()));
    WORLD.clone()
}

pub(super) struct World {
    pub ram: [Ram; 3],
    pub client: Client,
    /// Bytes to place.
    pub source: Ram,
    pub description: CString,
    /// Where working sets are kept.
    pub record: CString,
    /// The addresses that are handles of snapshots.
    pub snapshots: Mutex<Vec<usize>>,
    image: File,
    /// Where the block is that was last added under each handle.
    hosts: Mutex<HashMap<usize, usize>>,
    /// The mis whose preempt thread was told to quit last.
    pub quits: AtomicUsize,
}

impl World {
    fn new() -> Self {
        let ram = [
            // Two huge pages, of which the second is zeros in the snapshot.
            Ram::new(c"ram0", MOST_RAM, PAGE as u64, None),
            Ram::new(c"ram1", 16 * PAGE, PAGE as u64, Some(file(&[0; 16 * PAGE]))),
            Ram::new(c"ram2", 128 * PAGE, 16 * PAGE as u64, None),
        ];
        let image = file(&[]);
        let (mut text, mut offset) = (format!("uffd-incoming flat 1\nimage {}", path(&image).display()), 0);
        for ram in &ram {
            text += &format!("\nblock {offset} {} {}", ram.length, ram.name.to_str().expect("UTF-8"));
            offset += ram.length;
        }
        let description = file(text.as_bytes());
        let paths = path(&description);
        // Open as long as the process lives.
        std::mem::forget(description);
        let record = std::env::temp_dir().join(format!("uffd-incoming-fuzzing-{}", std::process::id()));
        let c_string = |path: &std::path::Path| CString::new(path.to_str().expect("UTF-8")).expect("no NUL");
        let world = Self {
            client: Client::new(&ram[1]),
            source: Ram::new(c"source", MOST_RAM, PAGE as u64, None),
            ram,
            description: c_string(&paths),
            record: c_string(&record),
            snapshots: Mutex::default(),
            image,
            hosts: Mutex::default(),
            quits: AtomicUsize::new(0),
        };
        world.truncate(false);
        world
    }

    /// As new.
    pub fn begin(&self) {
        self.truncate(false);
        self.ram.iter().for_each(Ram::empty);
        self.client.open();
        self.hosts.lock().unwrap().clear();
        self.quits.store(0, SeqCst);
    }

    pub fn image_fd(&self) -> c_int {
        self.image.as_raw_fd()
    }

    /// Cuts the snapshot's image short, or makes it whole.
    pub fn truncate(&self, short: bool) {
        let whole = self.ram.iter().map(|ram| ram.length).sum::<usize>();
        if short {
            self.image.set_len(whole as u64 / 4).expect("cutting the image short");
        } else if self.image.metadata().expect("the image").len() < whole as u64 {
            self.image.set_len(whole as u64).expect("making the image whole");
            self.image.write_all_at(&vec![0x5a; HUGE_PAGE], 0).expect("writing the image");
            self.image.write_all_at(&[0xa5; 64 * PAGE], MOST_RAM as u64).expect("writing the image");
        }
    }

    pub fn note_host(&self, rb: *mut RAMBlock, host: usize) {
        self.hosts.lock().unwrap().insert(rb.addr(), host);
    }

    /// Where the block is that was last added under this handle.
    pub fn host_of(&self, rb: *mut RAMBlock) -> Option<usize> {
        self.hosts.lock().unwrap().get(&rb.addr()).copied()
    }
}

/// Handles of blocks; one more than there are stands for a block that is not known.
pub(super) fn rb_at(number: usize) -> *mut RAMBlock {
    static BLOCKS: [u8; RB + 1] = [0; RB + 1];
    (&raw const BLOCKS[number]).cast_mut().cast()
}

/// A mapping that stays.
pub(super) struct Ram {
    pub name: &'static CStr,
    pub length: usize,
    pub page_size: u64,
    start: usize,
    file: Option<File>,
}

impl Ram {
    /// Private anonymous memory, or a file's; at the begin of a huge page.
    fn new(name: &'static CStr, length: usize, page_size: u64, file: Option<File>) -> Self {
        let ram = Self { name, length, page_size, start: map(length + HUGE_PAGE, None, None), file };
        let start = ram.start.next_multiple_of(HUGE_PAGE);
        Self { start: map(length, ram.file.as_ref(), Some(start)), ..ram }
    }

    pub fn at(&self, offset: usize) -> *mut c_void {
        (self.start + offset) as *mut c_void
    }

    /// Some pages become missing, as a balloon would have it.
    pub fn discard(&self, from: usize, pages: usize) {
        let from = from * PAGE % self.length;
        let length = ((pages % 32 + 1) * PAGE).min(self.length - from);
        // SAFETY: a part of our mapping, into which nothing refers.
        unsafe { libc::madvise(self.at(from), length, libc::MADV_DONTNEED) };
    }

    fn empty(&self) {
        let advice = if self.file.is_some() { libc::MADV_REMOVE } else { libc::MADV_DONTNEED };
        // SAFETY: our mapping, into which nothing refers.
        assert_eq!(unsafe { libc::madvise(self.at(0), self.length, advice) }, 0);
    }
}

fn map(length: usize, file: Option<&File>, at: Option<usize>) -> usize {
    let fixed = if at.is_some() { libc::MAP_FIXED } else { 0 };
    let flags = if file.is_some() { libc::MAP_SHARED } else { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS };
    let (fd, protection) = (file.map_or(-1, File::as_raw_fd), libc::PROT_READ | libc::PROT_WRITE);
    let at = at.map_or(null_mut(), |at| at as *mut c_void);
    // SAFETY: a new mapping wherever the kernel likes, or over one of ours.
    let start = unsafe { libc::mmap(at, length, protection, flags | fixed, fd, 0) };
    assert_ne!(start, libc::MAP_FAILED);
    start.addr()
}

/// Stands for another process that maps the same RAM: a second mapping with a userfaultfd of its own.
pub(super) struct Client {
    start: usize,
    length: usize,
    uffd: Mutex<Option<Userfaultfd>>,
}

impl Client {
    fn new(ram: &Ram) -> Self {
        Self { start: map(ram.length, ram.file.as_ref(), None), length: ram.length, uffd: Mutex::default() }
    }

    pub fn at(&self, page: usize) -> *mut c_void {
        (self.start + page * PAGE % self.length) as *mut c_void
    }

    pub fn offset_of(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.start as u64)?;
        Some(offset).filter(|offset| *offset < self.length as u64)
    }

    pub fn fd(&self) -> c_int {
        self.uffd.lock().unwrap().as_ref().map_or(-1, |uffd| uffd.as_fd().as_raw_fd())
    }

    fn open(&self) {
        // Where only the second is permitted, the kernel cannot wait for a page.
        let uffd = Userfaultfd::open(Opening::Full).or_else(|_| Userfaultfd::open(Opening::UserModeOnly));
        let uffd = uffd.expect("a userfaultfd");
        uffd.handshake(false).expect("a userfaultfd");
        uffd.register(self.start, self.length).expect("registering the client's memory");
        *self.uffd.lock().unwrap() = Some(uffd);
    }

    /// Who waits in it goes on.
    pub fn close(&self) {
        *self.uffd.lock().unwrap() = None;
    }
}

/// Threads that touch pages. They have the kernel do it, which fails where others would get SIGBUS.
#[derive(Default)]
pub(super) struct Touchers(Mutex<Vec<JoinHandle<()>>>);

impl Touchers {
    pub fn touch(&self, address: usize, write: bool) {
        static SINK: LazyLock<File> = LazyLock::new(|| file(&[0; 8]));
        let mut threads = self.0.lock().unwrap();
        if threads.len() < MOST_TOUCHERS {
            threads.push(thread::spawn(move || {
                let (fd, at) = (SINK.as_raw_fd(), address as *mut c_void);
                // SAFETY: the kernel reads a byte of RAM, or writes one.
                unsafe { if write { libc::pread(fd, at, 1, 0) } else { libc::pwrite(fd, at, 1, 0) } };
            }));
        }
    }

    pub fn join(self) {
        self.0.into_inner().unwrap().into_iter().for_each(|thread| thread.join().expect("a toucher"));
    }
}
