//! Sequences of C calls: every exported function with handles that are valid, stale, NULL and unknown, with sizes, flags
//! and offsets right and wrong, over real memory that threads touch meanwhile. Nothing may crash or hang, nor leave a
//! thread behind; what a call answers is up to it, unless the header says what it must be.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::ptr::{null, null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::world::{MOST_RAM, RB, Touchers, World, rb_at, world};
use crate::abi::types::*;
use crate::abi::*;

type Mis = *mut MigrationIncomingState;
type Rb = *mut RAMBlock;

/// What an input can do at most.
const MOST_CALLS: usize = 48;

/// How many handles there are; the last is not known until an input attaches it.
const MIS: usize = 3;

/// No file can be there.
const NOWHERE: &CStr = c"/nowhere/at all";

/// Parts the calls of two threads in an input.
const BOTH: u8 = 0xff;

/// What page handlers do one call after the other, two bits a call.
static HANDLING: AtomicU8 = AtomicU8::new(0);
static HANDLED: AtomicU8 = AtomicU8::new(0);

/// How many threads have been announced.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The bytes say which calls to make, in one thread or two.
pub fn c_calls(bytes: &[u8]) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let world = world();
    world.begin();
    let touchers = Touchers::default();
    let mut parts = bytes.splitn(2, |byte| *byte == BOTH);
    thread::scope(|scope| {
        let (first, second) = (parts.next().unwrap_or_default(), parts.next());
        let (world, touchers) = (&world, &touchers);
        let second = second.map(|second| scope.spawn(move || run(world, touchers, second)));
        run(world, touchers, first);
        // Its own memory is gone only now.
        second.into_iter().for_each(|second| second.join().expect("the second thread"));
    });
    end(&world, touchers);
}

fn run(world: &World, touchers: &Touchers, bytes: &[u8]) {
    let mut calls = Calls { world, touchers, bytes };
    for _ in 0..MOST_CALLS {
        if calls.bytes.is_empty() {
            break;
        }
        calls.call();
    }
}

/// Whatever was done before, all of it can be undone; then no thread waits any more, and no thread is left.
fn end(world: &World, touchers: Touchers) {
    for number in 0..MIS {
        let mis = mis_at(number);
        // SAFETY: all these take any handle.
        unsafe {
            let aborted = uffd_incoming_abort(mis);
            assert!([0, -libc::ENOENT].contains(&aborted), "abort: {aborted}");
            uffd_incoming_remove_shared_fd(mis, world.client.fd());
            let detached = uffd_incoming_detach(mis);
            assert_eq!(detached, aborted, "detach");
        }
    }
    assert_eq!(THREADS.load(SeqCst), 0, "threads go on after the last clean-up");
    // Who waits in the client's memory waits for its userfaultfd.
    world.client.close();
    touchers.join();
    for snapshot in world.snapshots.lock().unwrap().drain(..) {
        // SAFETY: takes any handle.
        unsafe { uffd_snapshot_close(without_provenance_mut(snapshot)) };
    }
    let _ = fs::remove_file(world.record.to_str().expect("an ASCII path"));
    let deadline = Instant::now() + Duration::from_secs(5);
    // A thread that was joined is listed for a moment more.
    while let Some(name) = library_thread() {
        assert!(Instant::now() < deadline, "the thread {name} was left behind");
        thread::yield_now();
    }
}

/// A thread of the library's.
fn library_thread() -> Option<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc").flatten();
    let mut names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.find(|name| name.starts_with("uffd/"))
}

fn mis_at(number: usize) -> Mis {
    static STATES: [u8; MIS] = [0; MIS];
    (&raw const STATES[number]).cast_mut().cast()
}

/// Makes calls as its bytes say.
struct Calls<'a> {
    world: &'a World,
    touchers: &'a Touchers,
    bytes: &'a [u8],
}

/// A struct with room behind it for what a newer version might have.
#[repr(C)]
#[derive(Clone, Copy)]
struct Tailed<T> {
    value: T,
    tail: [u64; 2],
}

impl Calls<'_> {
    /// The next byte; 0 behind the last.
    fn byte(&mut self) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        (*first).into()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.byte() % from.len()]
    }

    fn mis(&mut self) -> Mis {
        self.pick(&[mis_at(0), mis_at(0), mis_at(0), mis_at(0), mis_at(1), mis_at(2), null_mut(), mis_at(0)])
    }

    fn rb(&mut self) -> Rb {
        self.pick(&[rb_at(0), rb_at(0), rb_at(1), rb_at(2), rb_at(RB), null_mut(), rb_at(1), rb_at(2)])
    }

    /// An address in RAM, mostly of a page.
    fn host(&mut self) -> *mut c_void {
        let (region, page, odd) = (self.byte(), self.byte(), self.byte());
        let odd = [0, 0, 0, 0, 1, 2048, 4096, 1 << 20][odd % 8];
        match self.world.ram.get(region % 4) {
            Some(ram) => ram.at(page * 4096 % ram.length + odd),
            None => self.pick(&[null_mut(), 4096 as *mut c_void, usize::MAX as *mut c_void, odd as *mut c_void]),
        }
    }

    /// Bytes to place, as many as that: readable ones, a temporary page, none, or not readable.
    fn source(&mut self, mis: Mis, length: usize) -> *const c_void {
        let bytes = self.world.source.at(0).cast_const();
        match self.byte() % 8 {
            // What lies behind it is another owner's: RAM that is missing, even.
            // SAFETY: takes any handle.
            0 if length <= 4096 => unsafe { uffd_incoming_temp_page(mis, 0) },
            1 => null(),
            2 => 4096 as *const c_void,
            _ => bytes,
        }
    }

    fn length(&mut self) -> usize {
        let pages = self.byte();
        self.pick(&[4096 * pages, 4096 * pages, 65536, MOST_RAM, 0, 1, usize::MAX, 1 << 63])
    }

    fn offset(&mut self) -> usize {
        let page = self.byte();
        self.pick(&[4096 * page, 4096 * page, 4096 * page + 7, 65536 * page, 512 * 4096 + page, usize::MAX, 1 << 40, 0])
    }

    fn fd(&mut self) -> c_int {
        let fd = self.world.client.fd();
        self.pick(&[fd, fd, fd, fd, -1, c_int::MAX, fd, self.world.image_fd()])
    }

    /// A struct whose size is right, or wrong in one way or another; and something behind it, or zeros.
    fn tailed<T>(&mut self, value: T, set_size: fn(&mut T, usize)) -> Tailed<T> {
        let size = size_of::<T>();
        let size = self.pick(&[size, size, size, size, size, size, size + 16, size + 8, size - 1, 0, 8, usize::MAX]);
        let mut tailed = Tailed { value, tail: [0; 2] };
        set_size(&mut tailed.value, size);
        if size > size_of::<T>() && self.byte() % 4 == 0 {
            tailed.tail[0] = 1;
        }
        tailed
    }

    fn config(&mut self) -> Tailed<UffdIncomingConfig> {
        const TRACK_DISCARDS: u64 = UFFD_INCOMING_TRACK_DISCARDS;
        const UNKNOWN: u64 = 1 << 63;
        let bits = self.byte();
        let flag = |bit: usize, flag: u64| if bits >> bit & 1 != 0 { flag } else { 0 };
        let preempt = flag(0, UFFD_INCOMING_PREEMPT);
        let flags = preempt | flag(1, UFFD_INCOMING_BLOCKTIME) | flag(2, UFFD_INCOMING_POISON);
        let more = self.pick(&[0, 0, 0, 0, TRACK_DISCARDS, UFFD_INCOMING_USER_MODE_ONLY, UNKNOWN, TRACK_DISCARDS]);
        let value = UffdIncomingConfig {
            size: 0,
            flags: flags | more,
            page_handler: if bits & 8 == 0 { Some(page_handler) } else { None },
            ram_blocks: if bits & 0x30 == 0x30 { Some(ram_blocks) } else { None },
            setup_done: if bits & 0x40 != 0 { Some(setup_done) } else { None },
            preempt_run: Some(preempt_run),
            preempt_quit: if more == UNKNOWN { None } else { Some(preempt_quit) },
            thread_start: Some(thread_start),
            thread_stop: Some(thread_stop),
            vcpu_index: if bits & 0x80 != 0 { Some(vcpu_index) } else { None },
            open_userfaultfd: self.pick(&[None, None, None, Some(open_userfaultfd)]),
            event: Some(event),
            log: Some(log),
            vcpus: self.pick(&[0, 1, 2, 2, 2, 3, 4, u32::MAX]),
            fault_threads: self.pick(&[0, 1, 2, 3, 1, 1, 2, 65]),
            spin_us: self.pick(&[0, 0, 0, 20, 20, 1000, 1001, 0]),
            reserved: self.pick(&[0, 0, 0, 0, 0, 0, 0, 1]),
            fault: if bits & 4 != 0 { Some(fault) } else { None },
        };
        self.tailed(value, |config, size| config.size = size)
    }

    fn add_block(&mut self, mis: Mis) {
        let rb = self.rb();
        let region = self.byte();
        let ram = &self.world.ram[region % 3];
        let name = if region & 0x40 == 0 { ram.name } else { c"other" };
        let odd = self.byte();
        let idstr: *const c_char = if odd == 1 { null() } else { name.as_ptr() };
        let page_size = if odd < 0xc0 { ram.page_size } else { self.pick(&[4096, 8192, 65536, 2 << 20, 0, 1, 4095]) };
        let (host, length) = match odd {
            2 => (ram.at(4096), ram.length as u64),
            3 => (null_mut(), ram.length as u64),
            4 => (ram.at(0), u64::MAX - 4095),
            5 => (ram.at(0), 0),
            0x80.. => (ram.at(0), (ram.length / 2) as u64),
            _ => (ram.at(0), ram.length as u64),
        };
        let block = UffdRamBlock { size: 0, idstr, host, length, page_size };
        let block = self.tailed(block, |block, size| block.size = size);
        // SAFETY: the memory stays as long as this input is run, and the struct says how long it is.
        if unsafe { uffd_incoming_add_ram_block(mis, rb, &raw const block.value) } == 0 {
            self.world.note_host(rb, host.addr());
        }
    }

    fn load(&mut self, mis: Mis) {
        let snapshot = self.snapshot();
        let bits = self.byte() | self.byte() << 8;
        let flag = |bit: usize, flag: u64| if bits >> bit & 1 != 0 { flag } else { 0 };
        let (record, nowhere) = (self.world.record.as_ptr(), NOWHERE.as_ptr());
        let value = UffdLoadConfig {
            size: 0,
            flags: flag(0, UFFD_LOAD_KEEP_PRESENT)
                | flag(1, UFFD_LOAD_NO_BACKGROUND)
                | flag(2, UFFD_LOAD_DIRECT_IO)
                | flag(3, UFFD_LOAD_NO_HUGE_PAGES)
                | flag(4, UFFD_LOAD_NO_ZERO_SCAN)
                | flag(5, UFFD_LOAD_NO_READERS)
                | flag(8, UFFD_LOAD_MAP_PRIVATE)
                | flag(7, 1 << 40),
            loader_threads: self.pick(&[0, 1, 2, 2, 0, 0, 65, u32::MAX]),
            channels: self.pick(&[0, 0, 1, 2, 0, 0, 0, 100]),
            working_set_record: self.pick(&[null(), null(), record, record, nowhere, c"".as_ptr()]),
            working_set_replay: self.pick(&[null(), null(), record, record, nowhere, c"/".as_ptr()]),
            reader_threads: self.pick(&[0, 1, 2, 0, 0, 0, 65, u32::MAX]),
            reserved: self.pick(&[0, 0, 0, 0, 0, 0, 0, 1]),
        };
        let config = self.tailed(value, |config, size| config.size = size);
        let config = if bits & 0x40 == 0 { &raw const config.value } else { null() };
        // SAFETY: the struct says how long it is; its strings are strings.
        unsafe { uffd_incoming_load_snapshot(mis, snapshot, config) };
    }

    /// A handle of a snapshot, which may have been closed.
    fn snapshot(&mut self) -> *mut UffdSnapshot {
        let number = self.byte();
        let snapshots = self.world.snapshots.lock().unwrap();
        match number % 16 {
            14 => null_mut(),
            15 => mis_at(0).cast(),
            _ if snapshots.is_empty() => null_mut(),
            _ => without_provenance_mut(snapshots[number % snapshots.len()]),
        }
    }

    fn open_snapshot(&mut self) {
        let world = self.world;
        let (image, offset) = (world.image_fd(), self.byte() as u64);
        // SAFETY: the strings are strings, and the functions take any number for a descriptor.
        let opened = unsafe {
            match self.byte() % 8 {
                0 => uffd_snapshot_open(null()),
                1 => uffd_snapshot_open(NOWHERE.as_ptr()),
                2 => uffd_snapshot_open_fd(image, offset),
                3 => uffd_snapshot_open_fd(-1, 0),
                _ => uffd_snapshot_open(world.description.as_ptr()),
            }
        };
        let mut snapshots = world.snapshots.lock().unwrap();
        if !opened.is_null() && snapshots.len() < 8 {
            snapshots.push(opened.addr());
        } else {
            // SAFETY: takes any handle.
            unsafe { uffd_snapshot_close(opened) };
        }
    }

    fn touch(&mut self) {
        let (place, page) = (self.byte(), self.byte());
        let host = match self.world.ram.get(place % 4) {
            Some(ram) => ram.at(page * 4096 % ram.length),
            None => self.world.client.at(page),
        };
        self.touchers.touch(host.addr(), place & 0x80 != 0);
    }

    fn shared(&mut self) -> UffdSharedFd {
        let bits = self.byte();
        UffdSharedFd {
            fd: self.fd(),
            data: mis_at(0).cast(),
            handler: if bits % 16 == 1 { None } else { Some(shared_handler) },
            waker: if bits % 16 == 2 { None } else { Some(shared_waker) },
            idstr: if bits % 16 == 3 { null() } else { c"a client".as_ptr() },
        }
    }

    fn read_out(&mut self, mis: Mis) {
        // SAFETY: plain data, for which zeros will do.
        let (stats, blocktime, host) =
            unsafe { std::mem::zeroed::<(UffdIncomingStats, UffdIncomingBlocktime, UffdIncomingHost)>() };
        let mut ns = [0; 3];
        match self.byte() % 8 {
            // SAFETY: the struct says how long it is.
            0 => unsafe {
                let mut host = self.tailed(host, |host, size| host.size = size.min(size_of::<UffdIncomingHost>() + 16));
                uffd_incoming_probe(&raw mut host.value);
            },
            // SAFETY: the struct says how long it is, and how many elements its arrays have.
            1..4 => unsafe {
                let arrays = UffdIncomingBlocktime { vcpus: 3, vcpu_ns: ns.as_mut_ptr(), ..blocktime };
                let mut blocktime = self.tailed(arrays, |arrays, size| arrays.size = size);
                uffd_incoming_get_blocktime(mis, &raw mut blocktime.value);
            },
            // SAFETY: takes any handle.
            5 => unsafe {
                static NOWHERE: LazyLock<File> = LazyLock::new(|| File::create("/dev/null").expect("/dev/null"));
                let dumped = uffd_incoming_dump(mis, NOWHERE.as_raw_fd());
                assert!([0, -libc::ENOENT, -libc::EBUSY].contains(&dumped), "dump: {dumped}");
            },
            // SAFETY: a string.
            4 => unsafe {
                assert!(CStr::from_ptr(uffd_incoming_error()).to_str().is_ok());
                assert!(!uffd_incoming_version().is_null());
            },
            // SAFETY: the struct says how long it is.
            _ => unsafe {
                let mut stats = self.tailed(stats, |stats, size| stats.size = size);
                uffd_incoming_get_stats(mis, &raw mut stats.value);
                let mut block = std::mem::zeroed::<UffdIncomingBlockStats>();
                block.size = size_of::<UffdIncomingBlockStats>();
                uffd_incoming_get_block_stats(mis, self.rb(), &raw mut block);
            },
        }
    }

    fn call(&mut self) {
        let what = self.byte();
        let mis = self.mis();
        // SAFETY: all these functions take any handle, address in RAM, length and number; structs are right, or say
        // wrongly how long they are, within what they have.
        unsafe {
            match what % 64 {
                0..4 => {
                    let config = self.config();
                    let config = if self.byte() % 16 == 0 { null() } else { &raw const config.value };
                    if what % 64 == 3 {
                        uffd_incoming_configure(mis, config)
                    } else {
                        uffd_incoming_attach(mis, config)
                    };
                }
                4..8 => self.add_block(mis),
                8..10 => drop(uffd_incoming_remove_ram_block(mis, self.rb())),
                10..13 => {
                    let handler: PostcopyPageHandler = if self.byte() % 16 == 0 { None } else { Some(page_handler) };
                    let channels = self.pick(&[1, 1, 2, 3, 1, 1, 0, c_uint::MAX]);
                    uffd_setup_incoming(mis, handler, channels);
                }
                13..16 => drop(postcopy_ram_incoming_setup(mis)),
                16..20 => self.load(mis),
                20 | 21 => drop(uffd_incoming_cleanup(mis)),
                22 => drop(uffd_incoming_abort(mis)),
                23 => drop(uffd_incoming_detach(mis)),
                24 => {
                    let (rb, host) = (self.rb(), self.host());
                    uffd_incoming_place_page(mis, rb, host, self.source(mis, 4096));
                }
                25 => drop(uffd_incoming_place_zero_page(mis, self.rb(), self.host())),
                26 => {
                    let (rb, host, length) = (self.rb(), self.host(), self.length());
                    uffd_incoming_place_range(mis, rb, host, self.source(mis, length), length);
                }
                27 => drop(uffd_incoming_temp_page(mis, self.pick(&[0, 1, 2, c_uint::MAX]))),
                28 => {
                    let received = uffd_incoming_page_received(mis, self.rb(), self.offset());
                    assert!(received <= 1);
                }
                29 => drop(uffd_incoming_mark_received(mis, self.rb(), self.offset(), self.length())),
                30 | 31 => drop(uffd_incoming_pause(mis)),
                32 | 33 => drop(uffd_incoming_resume(mis)),
                34 => drop(uffd_incoming_notify(mis)),
                35 => drop(uffd_incoming_foreach_requested(mis, Some(requested_page), null_mut())),
                36 | 37 => {
                    let shared = self.shared();
                    uffd_incoming_add_shared_fd(mis, &raw const shared);
                }
                38 => drop(uffd_incoming_remove_shared_fd(mis, self.fd())),
                39 => {
                    let (fd, rb, client_addr) = (self.fd(), self.rb(), self.world.client.at(self.byte()).addr() as u64);
                    uffd_incoming_request_shared_page(mis, fd, rb, client_addr, self.offset() as u64);
                }
                40 => drop(uffd_incoming_notify_shared_wake(mis, self.rb(), self.offset() as u64)),
                41 => {
                    let (fd, rb, host) = (self.fd(), self.rb(), self.host());
                    uffd_incoming_wake_shared(mis, fd, rb, host.addr() as u64);
                }
                42 => self.read_out(mis),
                43 | 44 => self.open_snapshot(),
                45 => uffd_snapshot_close(self.snapshot()),
                46 => {
                    let mut block = std::mem::zeroed::<UffdSnapshotBlock>();
                    block.size = size_of::<UffdSnapshotBlock>();
                    let index = self.pick(&[0, 1, 2, usize::MAX]);
                    uffd_snapshot_block(self.snapshot(), index, &raw mut block);
                    let mut run = std::mem::zeroed::<UffdSnapshotRun>();
                    run.size = size_of::<UffdSnapshotRun>();
                    let at = self.pick(&[0, 1, 0x1fff, block.length.wrapping_sub(1), block.length, u64::MAX]);
                    uffd_snapshot_next_data(self.snapshot(), index, at, &raw mut run);
                    let mut bytes = [0_u8; 5000];
                    let length = self.pick(&[0, 1, 4096, bytes.len()]);
                    uffd_snapshot_read(self.snapshot(), index, at, bytes.as_mut_ptr().cast(), length);
                }
                47 | 48 => drop(uffd_incoming_wait(mis, self.pick(&[0, 1, 2, 0]))),
                49..58 => self.touch(),
                58 => HANDLING.store(self.byte() as u8, SeqCst),
                59 => {
                    let (region, from, pages) = (self.byte(), self.byte(), self.byte());
                    self.world.ram[region % 3].discard(from, pages);
                }
                60 => self.world.truncate(self.byte() % 2 == 0),
                61 => thread::sleep(Duration::from_micros(50 * self.byte() as u64 / 4)),
                _ => thread::yield_now(),
            }
        }
    }
}

unsafe extern "C" fn page_handler(mis: Mis, rb: Rb, offset: usize, _address: *mut c_void) -> c_int {
    let world = world();
    let call = HANDLED.fetch_add(1, SeqCst);
    // SAFETY: as everywhere here: any handle, and addresses in RAM.
    unsafe {
        for waits_for_callbacks in
            [uffd_incoming_cleanup, uffd_incoming_abort, uffd_incoming_detach, uffd_incoming_pause]
        {
            assert_eq!(waits_for_callbacks(mis), -libc::EDEADLK, "from a callback");
        }
        let Some(host) = world.host_of(rb).map(|host| (host + offset) as *mut c_void) else { return -libc::ENOENT };
        match HANDLING.load(SeqCst) >> (call % 4 * 2) & 3 {
            0 => drop(uffd_incoming_place_page(mis, rb, host, world.source.at(0))),
            1 => drop(uffd_incoming_place_zero_page(mis, rb, host)),
            // It will be placed later, or never.
            2 => {}
            _ => return -libc::EIO,
        }
    }
    0
}

/// Adds the first block.
unsafe extern "C" fn ram_blocks(mis: Mis) -> c_int {
    let world = world();
    let ram = &world.ram[0];
    let (host, length) = (ram.at(0), ram.length as u64);
    let size = size_of::<UffdRamBlock>();
    let block = UffdRamBlock { size, idstr: ram.name.as_ptr(), host, length, page_size: ram.page_size };
    // SAFETY: the memory stays as long as this input is run.
    let added = unsafe { uffd_incoming_add_ram_block(mis, rb_at(0), &raw const block) };
    world.note_host(rb_at(0), host.addr());
    added
}

unsafe extern "C" fn setup_done(_mis: Mis) -> c_int {
    if HANDLING.load(SeqCst) == 0xf0 { -libc::ECONNRESET } else { 0 }
}

/// Places what was asked for, for a while.
unsafe extern "C" fn preempt_run(mis: Mis) {
    let world = world();
    world.quits.store(0, SeqCst);
    let start = Instant::now();
    while world.quits.load(SeqCst) != mis.addr() && start.elapsed() < Duration::from_millis(20) {
        // SAFETY: any handle.
        unsafe { uffd_incoming_foreach_requested(mis, Some(requested_page), null_mut()) };
        thread::sleep(Duration::from_micros(50));
    }
}

unsafe extern "C" fn preempt_quit(mis: Mis) {
    world().quits.store(mis.addr(), SeqCst);
}

unsafe extern "C" fn requested_page(mis: Mis, rb: Rb, offset: usize, _opaque: *mut c_void) -> c_int {
    if let Some(host) = world().host_of(rb) {
        // SAFETY: any handle, and an address in RAM.
        unsafe { uffd_incoming_place_zero_page(mis, rb, (host + offset) as *mut c_void) };
    }
    0
}

unsafe extern "C" fn thread_start(_mis: Mis, name: *const c_char) {
    assert!(!name.is_null());
    THREADS.fetch_add(1, SeqCst);
}

unsafe extern "C" fn thread_stop(_mis: Mis, name: *const c_char) {
    assert!(!name.is_null());
    THREADS.fetch_sub(1, SeqCst);
}

unsafe extern "C" fn fault(_mis: Mis, _rb: *mut RAMBlock, _offset: ram_addr_t, _address: *mut c_void, thread_id: u32) {
    assert_ne!(thread_id, 0);
}

unsafe extern "C" fn vcpu_index(_mis: Mis, thread_id: u32) -> c_int {
    (thread_id % 4) as c_int - 1
}

/// A userfaultfd, or something else.
unsafe extern "C" fn open_userfaultfd(_mis: Mis) -> c_int {
    match HANDLING.load(SeqCst) % 4 {
        1 => -libc::EPERM,
        // SAFETY: no pointers.
        2 => unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) },
        // SAFETY: no pointers.
        _ => unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) as c_int },
    }
}

/// Resumes what has failed, now and then.
unsafe extern "C" fn event(mis: Mis, what: c_int, _error: c_int) {
    if what == UFFD_INCOMING_EVENT_PAUSED && HANDLED.fetch_add(1, SeqCst) % 4 == 0 {
        // SAFETY: any handle.
        unsafe { uffd_incoming_resume(mis) };
    }
}

unsafe extern "C" fn log(_mis: Mis, _level: c_int, message: *const c_char) {
    assert!(!message.is_null());
}

unsafe extern "C" fn shared_handler(shared: *mut UffdSharedFd, message: *mut c_void) -> c_int {
    let world = world();
    // SAFETY: a struct uffd_msg: 32 bytes with the event first, and a fault's address 16 bytes on. The struct is our own.
    let (event, address, mis, fd) = unsafe {
        let message = message.cast::<u64>();
        (message.cast::<u8>().read(), message.add(2).read(), (*shared).data, (*shared).fd)
    };
    const UFFD_EVENT_PAGEFAULT: u8 = 0x12;
    let Some(offset) = world.client.offset_of(address).filter(|_| event == UFFD_EVENT_PAGEFAULT) else {
        return -libc::EINVAL;
    };
    if HANDLING.load(SeqCst) == 0xcc && HANDLED.fetch_add(1, SeqCst) % 2 == 0 {
        return -libc::EIO;
    }
    let rb = (0..RB).map(rb_at).find(|rb| world.host_of(*rb) == Some(world.ram[1].at(0).addr())).unwrap_or(rb_at(1));
    // SAFETY: any handle.
    unsafe { uffd_incoming_request_shared_page(mis.cast(), fd, rb, address, offset) }.min(0)
}

unsafe extern "C" fn shared_waker(shared: *mut UffdSharedFd, rb: Rb, offset: u64) -> c_int {
    let world = world();
    // SAFETY: the struct is our own.
    let (mis, fd) = unsafe { ((*shared).data, (*shared).fd) };
    if world.host_of(rb) != Some(world.ram[1].at(0).addr()) {
        return 0;
    }
    // SAFETY: any handle.
    unsafe { uffd_incoming_wake_shared(mis.cast(), fd, rb, world.client.at(offset as usize / 4096).addr() as u64) }
}
