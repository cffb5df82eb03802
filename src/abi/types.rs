//! The types and constants of the C header.

use std::ffi::{c_char, c_int, c_void};

/// The caller's state of an incoming migration or restore: a handle. The library never looks inside; it knows a mis
/// by its address and hands it back to every callback. QEMU's own struct fits; so does any struct of yours, cast.
pub struct MigrationIncomingState;

/// The caller's RAM block: a handle, known by its address only and handed back to callbacks.
pub struct RAMBlock;

/// An open snapshot: see uffd_snapshot_open().
pub struct UffdSnapshot;

/// A length of guest RAM, or an offset into a RAM block, in bytes. Define UFFD_INCOMING_HAVE_RAM_ADDR_T before the
/// header is included when the program has its own.
#[allow(non_camel_case_types)]
pub type ram_addr_t = usize;

/// The caller's page handler, called on a fault thread for each page that a thread waits for and that was not
/// received yet. `offset` is the fault's offset into `rb`, aligned down to the block's page size; `fault_address` is
/// the host address that was touched, aligned down to the kernel's page size there.
///
/// It places the page now (uffd_incoming_place_page() and its kin), or sets out to: asks the source, and some thread
/// places the page later. Returns 0 when done or on its way. Anything else (a negative errno value says it best; what
/// is none counts as -EIO) means it could not: the page is poisoned where UFFD_INCOMING_POISON says so; otherwise fault and
/// loader threads pause until uffd_incoming_resume(), then it is asked again, or at once if a resume came during the call.
///
/// With one fault thread (the default) calls of one mis never run concurrently. It may block for long, and no lock
/// is held meanwhile, but it must not touch guest RAM that may be missing. It may be called again for a page that
/// is on its way, when another thread touches that page.
pub type PostcopyPageHandler = Option<
    unsafe extern "C" fn(
        mis: *mut MigrationIncomingState,
        rb: *mut RAMBlock,
        offset: ram_addr_t,
        fault_address: *mut c_void,
    ) -> c_int,
>;

/// UffdIncomingConfig.flags: postcopy_ram_incoming_setup() and uffd_incoming_load_snapshot() keep account of how long
/// the vCPUs wait (`vcpu_index` tells which thread is one): uffd_incoming_get_blocktime().
pub const UFFD_INCOMING_BLOCKTIME: u64 = 1 << 0;

/// UffdIncomingConfig.flags: postcopy_ram_incoming_setup() allocates a second channel and runs `preempt_run` on a
/// thread of its own for urgent pages.
pub const UFFD_INCOMING_PREEMPT: u64 = 1 << 1;

/// UffdIncomingConfig.flags: open a userfaultfd that serves faults of user mode only. Any user may (Linux 5.11);
/// accesses that the kernel makes (KVM's own, or a read() into missing RAM) then fail with EFAULT instead of waiting. It is not for
/// KVM: KVM_RUN fails with EFAULT when the guest touches a missing page; with KVM's own interrupt controller KVM tries again and
/// again, and KVM_RUN does not return until a signal comes.
pub const UFFD_INCOMING_USER_MODE_ONLY: u64 = 1 << 2;

/// UffdIncomingConfig.flags: track what the VMM discards while armed (a balloon's madvise with MADV_DONTNEED, MADV_REMOVE or
/// MADV_FREE). Any thread may discard, also in a handler or another callback; but not in `log`, and not in a callback on the
/// thread `uffd/events`, which is the one that reads of it. Whatever moment that comes at, the pages are zeros afterwards
/// and never what the source has for them, in shared RAM too (where MADV_DONTNEED by itself empties only what has not
/// arrived). After MADV_FREE that holds for pages that had not arrived; the others keep what they held until they are
/// written to, or the kernel takes them, which makes them zeros at any moment.
///
/// The discard returns when a thread of the library has read of it, which neither a pause nor a running handler delays.
/// Without the flag a discard can lose against the placing of the same page. Each fault goes through one thread more, so
/// it takes longer. Block page sizes must be the kernel's. fallocate() and discards of other processes are not seen.
pub const UFFD_INCOMING_TRACK_DISCARDS: u64 = 1 << 3;

/// UffdIncomingConfig.flags: pages of private anonymous RAM that cannot be had (the handler fails, or the snapshot cannot be
/// read) are poisoned (Linux 6.6): whoever touches one, or waits for it, gets SIGBUS at its address, and all else goes on.
/// Placing the page heals it; discarding it makes it missing again. Other RAM, older kernels, and failures of the host (no
/// memory for a page: -ENOMEM and -ENOSPC of a handler, too) pause as without this flag. A read() into a poisoned page fails
/// with EFAULT.
///
/// When a KVM guest touches a poisoned page, the kernel sends SIGBUS to the vCPU's thread: si_code is BUS_MCEERR_AR, si_addr the
/// page's address in this process. KVM_RUN fails with EINTR, and each later KVM_RUN does the same until the page is placed. An
/// access that KVM emulates leaves KVM_RUN with KVM_EXIT_MMIO instead, at the page's guest-physical address. A VMM with KVM
/// must handle both: a SIGBUS that is not handled kills it; if SIGBUS is blocked or ignored, KVM_RUN does not return until the
/// page is placed or another signal comes. docs/kvm.md says what to do.
pub const UFFD_INCOMING_POISON: u64 = 1 << 4;

/// `event`: a pause begins: faults queue until uffd_incoming_resume(). No fault or loader thread begins anything new; what is
/// running may go on for a while (uffd_incoming_pause() waits for it, this event does not). `error` says why: a negative
/// errno value, or 0 for uffd_incoming_pause(). A failure during a pause that was asked for sends one more, with the reason.
pub const UFFD_INCOMING_EVENT_PAUSED: c_int = 1;

/// `event`: uffd_incoming_resume() is about to end a pause. Cleanup and abort end one without this event. Events of threads
/// that pause and resume at the same time may cross: `paused` of the statistics tells how things stand.
pub const UFFD_INCOMING_EVENT_RESUMED: c_int = 2;

/// `event`: pages could not be had from their source; `error` is the negative errno value. They stay missing and are asked
/// for again after uffd_incoming_resume(), or are poisoned (UFFD_INCOMING_POISON).
pub const UFFD_INCOMING_EVENT_SOURCE_ERROR: c_int = 3;

/// `event`: a snapshot load has placed every page.
pub const UFFD_INCOMING_EVENT_COMPLETE: c_int = 4;

/// `event`: a snapshot load has nothing left to load, and is not complete: it has poisoned pages (UFFD_INCOMING_POISON).
/// `error` is -EIO. Cleanup is allowed; poisoned pages stay poisoned. Should all of them be placed, the load is complete.
pub const UFFD_INCOMING_EVENT_POISONED: c_int = 5;

/// `log`: something failed, and the message says what and where.
pub const UFFD_INCOMING_LOG_ERROR: c_int = 0;

/// `log`: something is worse than it could be, and nothing is lost.
pub const UFFD_INCOMING_LOG_WARNING: c_int = 1;

/// `log`: worth knowing.
pub const UFFD_INCOMING_LOG_INFO: c_int = 2;

/// Describes a mis: uffd_incoming_attach(), uffd_incoming_configure(). Copied. Every callback may be NULL and is given
/// the mis; 0 in a number means a sensible default.
///
/// Callbacks run on threads of the library unless they say otherwise. Those threads have all signals blocked but SIGSEGV, SIGBUS,
/// SIGFPE, SIGILL, SIGTRAP and SIGSYS, which are as on the thread that sets up: a crash handler of the VMM runs there, too. Their
/// stacks have the size that pthread_create() gives by default: pthread_setattr_default_np() or RLIMIT_STACK change it. They inherit
/// the CPU affinity and scheduling policy of the thread that sets up: `thread_start` is the place to change those. A fault thread
/// may move within its affinity. It moves to the CPU of a pinned thread of this process that faults alone, unless that thread has
/// a real-time or deadline policy, and moves back after 10 ms without a fault.
///
/// Callbacks must return: no longjmp(), no C++ exception, no pthread_exit(). pthread_cancel() has no effect on threads of the
/// library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdIncomingConfig {
    /// sizeof(UffdIncomingConfig).
    pub size: usize,
    /// UFFD_INCOMING_BLOCKTIME, _PREEMPT, _USER_MODE_ONLY, _TRACK_DISCARDS, _POISON, or'ed. Any other bit is -EINVAL.
    pub flags: u64,
    /// The handler that postcopy_ram_incoming_setup() installs.
    pub page_handler: PostcopyPageHandler,
    /// Called by every set-up, on the caller's thread, with an empty table: adds the RAM blocks as they are now with
    /// uffd_incoming_add_ram_block(). They are forgotten when the set-up fails or is undone. Non-zero fails the
    /// set-up: with that value if it is a negative errno value, else with -EIO. Blocks that were added before play no part:
    /// they are back after a set-up that fails, and forgotten by one that does not. NULL: they are the ones.
    pub ram_blocks: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState) -> c_int>,
    /// Called at the end of every set-up, on the caller's thread: all exists, faults are served, the preempt thread
    /// has not started yet. Non-zero undoes the set-up, which fails like with ram_blocks.
    pub setup_done: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState) -> c_int>,
    /// The body of the preempt thread; returns when told to quit or done. Needed with UFFD_INCOMING_PREEMPT.
    pub preempt_run: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState)>,
    /// Makes preempt_run return. Called by cleanup and abort, on the caller's thread. Needed with UFFD_INCOMING_PREEMPT.
    pub preempt_quit: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState)>,
    /// The first thing on each thread of the library; `name` is the thread's name.
    pub thread_start: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState, name: *const c_char)>,
    /// The last thing on each thread of the library.
    pub thread_stop: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState, name: *const c_char)>,
    /// Which vCPU a thread (its kernel thread id) runs: 0 .. vcpus - 1; any other number: none. Called for each fault while
    /// blocktime is kept. NULL: no thread is a vCPU. With KVM's own interrupt controller (KVM_CREATE_IRQCHIP), a worker thread
    /// of the kernel waits for the page in the vCPU's place: such a fault is no vCPU's.
    pub vcpu_index: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState, thread_id: u32) -> c_int>,
    /// Gives a fresh userfaultfd (not yet shaken hands with) of this process from a privileged helper, or a negative
    /// errno value. The library owns what it is given. Called by every set-up, once for each fault thread, on the
    /// caller's thread. NULL: the library opens its own. With UFFD_INCOMING_TRACK_DISCARDS it opens one more by itself, for
    /// user mode only, which any user may.
    pub open_userfaultfd: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState) -> c_int>,
    /// Something happened: UFFD_INCOMING_EVENT_*. For a main loop that cannot sit in uffd_incoming_wait(). Runs on the
    /// thread that made it happen, which may be one of the caller's.
    pub event: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState, what: c_int, error: c_int)>,
    /// A message, without a newline; `level` is UFFD_INCOMING_LOG_*. Runs on whichever thread is in the library, the
    /// caller's too: within uffd_incoming_cleanup() or _place_page(), say. What fails on a thread of the library is told in
    /// words here (and by uffd_incoming_wait()): uffd_incoming_error() is about calls. NULL: stderr.
    pub log: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState, level: c_int, message: *const c_char)>,
    /// How many vCPUs blocktime is kept for, at most 65536. 0 with UFFD_INCOMING_BLOCKTIME is -EINVAL.
    pub vcpus: u32,
    /// How many fault threads serve; the RAM is striped over them. 0 and 1: one. At most 64.
    pub fault_threads: u32,
    /// At most how many microseconds a fault thread looks for the next fault before it sleeps: less where that finds
    /// nothing, and not at all where fault and loader threads would take all CPUs, beside a pinned thread that faults alone,
    /// or, for the first one, while it serves shared descriptors. 0: never. At most 1000.
    pub spin_us: u32,
    /// 0.
    pub reserved: u32,
}

/// A RAM block: uffd_incoming_add_ram_block(). Copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdRamBlock {
    /// sizeof(UffdRamBlock).
    pub size: usize,
    /// The block's name, 1 to 255 bytes of UTF-8: what messages call it and what a snapshot knows it by.
    pub idstr: *const c_char,
    /// Where the block is mapped, aligned to page_size: private anonymous memory, shmem (memfd) or hugetlbfs, private
    /// or shared. It stays the caller's, and must stay mapped while the block is known here. Before Linux 6.4, shmem with
    /// transparent huge pages needs MADV_NOHUGEPAGE while armed: khugepaged may turn missing pages into zeros there, unseen.
    pub host: *mut c_void,
    /// Bytes, a multiple of page_size, not 0.
    pub length: u64,
    /// The size in which pages are asked for and placed: a power of two, at least the host's page size. For hugetlbfs:
    /// its huge page size.
    pub page_size: u64,
}

/// Counters of the current set-up, or the last one: uffd_incoming_get_stats().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdIncomingStats {
    /// In: sizeof(UffdIncomingStats). That many bytes are written at most.
    pub size: usize,
    /// Faults read from the kernel.
    pub faults: u64,
    /// Pages (of their block's page size) placed with data, on demand or in the background.
    pub pages_placed: u64,
    /// Pages placed as zeros, those included that the guest had discarded.
    pub zero_pages_placed: u64,
    /// Pages that the handler was asked for.
    pub pages_requested: u64,
    /// Calls of the handler, and reads of the snapshot, that failed.
    pub source_errors: u64,
    /// Pages that have been poisoned (UFFD_INCOMING_POISON); those that have been placed later are still counted.
    pub pages_poisoned: u64,
    /// Bytes of RAM a snapshot load is to place; 0 without one.
    pub bytes_total: u64,
    /// How many of them have been placed.
    pub bytes_loaded: u64,
    /// Sum of the times from reading a fault to its page being placed, in nanoseconds.
    pub fault_latency_ns_sum: u64,
    /// How many faults took less than 1 us, and then, in bucket i, 2^(i-1) us to less than 2^i us; the last bucket has no
    /// upper end.
    pub fault_latency_buckets: [u64; 24],
    /// How many fault threads serve now; 0 when not armed.
    pub fault_threads: u32,
    /// 1 while paused.
    pub paused: u32,
    /// 1 once a snapshot load has placed every page.
    pub complete: u32,
    /// 0.
    pub reserved: u32,
}

/// How long the vCPUs waited for pages: uffd_incoming_get_blocktime(). A vCPU that waits now is not counted yet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdIncomingBlocktime {
    /// In: sizeof(UffdIncomingBlocktime).
    pub size: usize,
    /// Nanoseconds in which all vCPUs waited at once.
    pub total_ns: u64,
    /// Faults of vCPUs whose page has been placed.
    pub faults_vcpu: u64,
    /// The same of other threads.
    pub faults_other: u64,
    /// Mean nanoseconds that a vCPU's fault took.
    pub latency_ns_vcpu: u64,
    /// The same of other threads.
    pub latency_ns_other: u64,
    /// In: how many elements the arrays have. Out: how many vCPUs are known.
    pub vcpus: u32,
    /// 0.
    pub reserved: u32,
    /// The caller's array, or NULL: nanoseconds each vCPU waited.
    pub vcpu_ns: *mut u64,
    /// The caller's array, or NULL: faults of each vCPU.
    pub vcpu_faults: *mut u64,
    /// The caller's array, or NULL: mean nanoseconds a fault of each vCPU took.
    pub vcpu_latency_ns: *mut u64,
}

/// UffdIncomingHost.ways: /dev/userfaultfd can be opened (Linux 6.1); it serves the kernel's accesses too.
pub const UFFD_INCOMING_HOST_DEVICE: u64 = 1 << 0;

/// UffdIncomingHost.ways: the userfaultfd system call is permitted; it serves the kernel's accesses too.
pub const UFFD_INCOMING_HOST_SYSCALL: u64 = 1 << 1;

/// UffdIncomingHost.ways: the userfaultfd system call is permitted for faults of user mode only.
pub const UFFD_INCOMING_HOST_USER_MODE_ONLY: u64 = 1 << 2;

/// What this host can do, for this process: uffd_incoming_probe().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdIncomingHost {
    /// In: sizeof(UffdIncomingHost). That many bytes are written at most.
    pub size: usize,
    /// The ways to a userfaultfd that are open: UFFD_INCOMING_HOST_*. 0: none.
    pub ways: u64,
    /// The kernel's UFFD_FEATURE_* bits, see linux/userfaultfd.h; 0 when no way is open.
    pub features: u64,
    /// The host's page size in bytes.
    pub page_size: u32,
    /// Why /dev/userfaultfd cannot be opened: a negative errno value, or 0.
    pub device_error: i32,
    /// Why the full system call is not permitted: a negative errno value, or 0.
    pub syscall_error: i32,
    /// Why the system call is not permitted even for user mode only: a negative errno value, or 0.
    pub user_mode_error: i32,
    /// What to do when a way is closed, in words; empty when there is nothing to do.
    pub advice: [c_char; 512],
}

/// UffdLoadConfig.flags: do not empty the RAM first. Pages that are present win over the snapshot's, and pages marked
/// received (uffd_incoming_mark_received()) are not loaded.
pub const UFFD_LOAD_KEEP_PRESENT: u64 = 1 << 0;

/// UffdLoadConfig.flags: no background loader; pages come on demand only, but for a replayed working set. With
/// UFFD_LOAD_KEEP_PRESENT, pages that are present never fault, and so the load is complete only if they are marked
/// received.
pub const UFFD_LOAD_NO_BACKGROUND: u64 = 1 << 1;

/// UffdLoadConfig.flags: read what is not in the page cache past it (O_DIRECT), 64 KiB or more at once; single pages that are
/// faulted on still go by it. From a disk that is faster, and takes no memory beside the RAM; but the next restore finds little
/// in the page cache. What that holds is used where the kernel tells: Linux 6.5 or newer, not on overlayfs, and only to
/// processes that own the file or may write to it; others get a warning (`log`) that all is read from the disk. The file is opened
/// once more, by way of /proc: where that cannot be (a descriptor whose file this process may not open itself), or the file
/// system has no such reading, uffd_incoming_load_snapshot() fails with what open() said (-EOPNOTSUPP: without /proc), and has
/// changed nothing. What
/// has no place in the file that suits its disk is read by the page cache all the same. The VMM's own POSIX record locks on the
/// file are dropped by the clean-up, and by a load that fails (locks of open file descriptions stay).
pub const UFFD_LOAD_DIRECT_IO: u64 = 1 << 2;

/// UffdLoadConfig.flags: make no huge pages. Without it, a unit of 2 MiB of private anonymous RAM is moved into place as one huge page
/// (UFFDIO_MOVE, Linux 6.8) where the RAM wants huge pages (madvise(MADV_HUGEPAGE), or "always" in
/// /sys/kernel/mm/transparent_hugepage/enabled and no MADV_NOHUGEPAGE) and no policy (mbind()) says from which nodes its memory
/// comes; that is faster than copying. With it, or where any of that is not so or cannot be told (no /proc), and with
/// UFFD_LOAD_KEEP_PRESENT, pages are copied. For a kernel whose UFFDIO_MOVE is not trusted, too: it has been mended for pages in swap
/// space in 2025.
pub const UFFD_LOAD_NO_HUGE_PAGES: u64 = 1 << 3;

/// UffdLoadConfig.flags: do not look for pages of zeros among what the snapshot holds as data. Without it, such a page is placed as
/// zeros, which take no memory: a flat dump is full of them. The scan ends at a page's first byte that is not zero.
pub const UFFD_LOAD_NO_ZERO_SCAN: u64 = 1 << 5;

/// How to load a snapshot: uffd_incoming_load_snapshot().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdLoadConfig {
    /// sizeof(UffdLoadConfig).
    pub size: usize,
    /// UFFD_LOAD_KEEP_PRESENT, UFFD_LOAD_NO_BACKGROUND, UFFD_LOAD_DIRECT_IO,
    /// UFFD_LOAD_NO_HUGE_PAGES, UFFD_LOAD_NO_ZERO_SCAN, or'ed. Any other bit is -EINVAL.
    pub flags: u64,
    /// How many threads load in the background. 0: one. At most 64. Each takes up to 10 MiB of memory of its own, more with
    /// host pages of more than 2 MiB, until the clean-up; and so does a fault thread.
    pub loader_threads: u32,
    /// How many temporary pages to allocate for the caller's own use. 0: one.
    pub channels: u32,
    /// The path of a file, or NULL: keeps there which pages were faulted on, in order. It is written by
    /// uffd_incoming_cleanup() or _abort(), and replaces the file that is there; a failure of that is logged. Symbolic links
    /// are followed, and stay. The load fails with -EINVAL, and changes nothing, where the path names anything but a regular
    /// file, or a file of the snapshot itself; and with what creating a file there said. A relative path is one of the
    /// directory in which uffd_incoming_load_snapshot() was called. What was replayed comes first in the record, so that one
    /// file can be both.
    pub working_set_record: *const c_char,
    /// The path of a file that was recorded in an earlier restore of the same snapshot, or NULL: its pages are loaded
    /// first. uffd_incoming_load_snapshot() opens it, and a loader thread reads it. A file that cannot be opened, is damaged or
    /// belongs to another snapshot is logged and ignored.
    pub working_set_replay: *const c_char,
}

/// A RAM block as a snapshot holds it: uffd_snapshot_block().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdSnapshotBlock {
    /// In: sizeof(UffdSnapshotBlock). That many bytes are written at most.
    pub size: usize,
    /// The block's name; valid until the snapshot is closed.
    pub idstr: *const c_char,
    /// Bytes of RAM.
    pub length: u64,
    /// The size of the pages in the file: the machine's target page size.
    pub page_size: u64,
    /// How many bytes of the block the file holds; the rest is zeros.
    pub data_bytes: u64,
}

/// A userfaultfd of another process, e.g. a vhost-user back end: uffd_incoming_add_shared_fd(). This struct never changes:
/// it is laid out like QEMU's PostCopyFD.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdSharedFd {
    /// The descriptor; shaken hands with, by its process.
    pub fd: c_int,
    /// The caller's.
    pub data: *mut c_void,
    /// Called on a fault thread with each message (a `struct uffd_msg`) of the descriptor: finds out which page is meant,
    /// and calls uffd_incoming_request_shared_page(). It is given the library's copy of this struct. Non-zero: it could
    /// not; all pauses, with UFFD_INCOMING_POISON, too, until uffd_incoming_resume(), then it is called with the same
    /// message again. Never concurrently with the page handler as long as there is one fault thread.
    pub handler: Option<unsafe extern "C" fn(shared: *mut UffdSharedFd, uffd_msg: *mut c_void) -> c_int>,
    /// Called for each page that has been placed, on the thread that placed it: wakes the client, if it maps the page
    /// (uffd_incoming_wake_shared()). Non-zero is logged.
    pub waker: Option<unsafe extern "C" fn(shared: *mut UffdSharedFd, rb: *mut RAMBlock, offset: u64) -> c_int>,
    /// What messages call it, or NULL.
    pub idstr: *const c_char,
}

const _: () = assert!(size_of::<UffdSharedFd>() == 5 * size_of::<usize>());
