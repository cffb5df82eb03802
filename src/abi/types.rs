//! The types and constants of the C header.

use std::ffi::{c_char, c_int, c_void};

/// The caller's state of one incoming migration or restore. The library uses only its address, as a handle, and
/// passes it to every callback. It may be QEMU's struct, or any struct of the caller's, cast to this type.
pub struct MigrationIncomingState;

/// The caller's RAM block. The library uses only its address, as a handle, and passes it to callbacks.
pub struct RAMBlock;

/// An open snapshot: see uffd_snapshot_open().
pub struct UffdSnapshot;

/// A length of guest RAM, or an offset into a RAM block, in bytes. A program that has its own ram_addr_t
/// defines UFFD_INCOMING_HAVE_RAM_ADDR_T before it includes the header.
#[allow(non_camel_case_types)]
pub type ram_addr_t = usize;

/// The caller's page handler. A fault thread calls it for each page that a thread waits for and that has not
/// been received. `offset` is the fault's offset into `rb`, rounded down to the block's page size.
/// `fault_address` is the host address of the fault, rounded down to the kernel's page size for that memory.
///
/// The handler either places the page (uffd_incoming_place_page() and its variants), or requests it from the
/// source. A requested page may be placed later, by any thread. The handler may block for long, since no lock
/// is held during the call. It must not touch guest RAM that may be missing.
///
/// Return 0 if the page has been placed or requested. Any other value reports a failure: a negative errno value
/// stands for itself, everything else for -EIO. If UFFD_INCOMING_POISON applies, the page is then poisoned.
/// Otherwise the fault and loader threads pause. After uffd_incoming_resume() the handler is called for the
/// page again, or at once if the resume came during the failed call.
///
/// With one fault thread (the default), the calls for one mis never overlap. The handler may be called again
/// for a page that it has requested already, when another thread touches that page.
pub type PostcopyPageHandler = Option<
    unsafe extern "C" fn(
        mis: *mut MigrationIncomingState,
        rb: *mut RAMBlock,
        offset: ram_addr_t,
        fault_address: *mut c_void,
    ) -> c_int,
>;

/// UffdIncomingConfig.flags: measure how long the vCPUs wait for pages. postcopy_ram_incoming_setup() and
/// uffd_incoming_load_snapshot() start the measurement; uffd_incoming_get_blocktime() reads it. `vcpu_index`
/// tells which thread runs which vCPU.
pub const UFFD_INCOMING_BLOCKTIME: u64 = 1 << 0;

/// UffdIncomingConfig.flags: postcopy_ram_incoming_setup() allocates a second channel, and starts a thread that
/// runs `preempt_run` for urgent pages.
pub const UFFD_INCOMING_PREEMPT: u64 = 1 << 1;

/// UffdIncomingConfig.flags: open a userfaultfd that serves faults in user mode only. It needs no privilege. An
/// access by the kernel, such as a read() into a missing page, then fails with EFAULT and does not wait.
///
/// Do not set it with KVM: KVM_RUN fails with EFAULT when the guest touches a missing page. With KVM's
/// in-kernel interrupt controller, KVM retries endlessly, and KVM_RUN returns only when a signal arrives.
///
/// Needs Linux 5.11.
pub const UFFD_INCOMING_USER_MODE_ONLY: u64 = 1 << 2;

/// UffdIncomingConfig.flags: track the VMM's discards while armed. A discard is madvise() with MADV_DONTNEED,
/// MADV_REMOVE or MADV_FREE, by a balloon for example. Discarded pages read as zeros from then on, and never as
/// the source's data, regardless of when the discard comes. This also holds for shared RAM, where MADV_DONTNEED
/// alone affects only pages that have not arrived. After MADV_FREE it holds for pages that had not arrived.
/// Other pages keep their content until they are written to, or until the kernel reclaims them; the kernel may
/// do so at any moment, and they then read as zeros.
///
/// Without this flag, a discard that races with the placing of the same page can lose: the page then holds its
/// data.
///
/// Any thread may discard, also in a page handler or another callback, with two exceptions: in `log`, and in
/// callbacks on the thread `uffd/events`, which reads the kernel's messages about discards. The discard returns
/// once a thread of the library has read its message. Neither a pause nor a running handler delays that.
///
/// The page size of every block must be the kernel's page size for its memory: otherwise the setup fails with
/// -EINVAL. Each fault takes longer, since it passes through one more thread. fallocate(), and discards by
/// other processes, are not tracked.
pub const UFFD_INCOMING_TRACK_DISCARDS: u64 = 1 << 3;

/// UffdIncomingConfig.flags: poison an unreadable page of private anonymous RAM, instead of pausing. A thread
/// that touches a poisoned page, or already waits for it, gets SIGBUS at its address. A read() into a poisoned
/// page fails with EFAULT. Placing the page removes the poison; discarding the page makes it missing again.
///
/// The library still pauses for pages of other RAM, on older kernels, and after failures of the host (no memory
/// for a page). -ENOMEM and -ENOSPC from a page handler count as failures of the host.
///
/// When a KVM guest touches a poisoned page, the kernel sends SIGBUS to the vCPU's thread: si_code is
/// BUS_MCEERR_AR, and si_addr is the page's address in this process. KVM_RUN fails with EINTR, again and again
/// until the page is placed. If KVM emulates the access, KVM_RUN returns KVM_EXIT_MMIO instead, with the page's
/// guest-physical address. A VMM that uses KVM must handle both. An unhandled SIGBUS kills it. If SIGBUS is
/// blocked or ignored, KVM_RUN does not return until the page is placed or another signal arrives. docs/kvm.md
/// describes a handler.
///
/// Needs Linux 6.6.
pub const UFFD_INCOMING_POISON: u64 = 1 << 4;

/// `event`: a pause begins. Faults queue until uffd_incoming_resume(). The fault and loader threads start
/// nothing new. Work that they have started may continue after this event; uffd_incoming_pause() waits for its
/// end. `error` is the reason: a negative errno value, or 0 for uffd_incoming_pause(). If something fails
/// during a pause by uffd_incoming_pause(), a second event gives the reason.
pub const UFFD_INCOMING_EVENT_PAUSED: c_int = 1;

/// `event`: uffd_incoming_resume() is about to end a pause. Cleanup and abort end a pause without this event.
/// If threads pause and resume concurrently, their events may come in another order than the pauses;
/// UffdIncomingStats.paused has the current state.
pub const UFFD_INCOMING_EVENT_RESUMED: c_int = 2;

/// `event`: the page handler failed, or a read of the snapshot did. `error` is the negative errno value. The
/// pages stay missing and are requested or read again after uffd_incoming_resume(), or they are poisoned
/// (UFFD_INCOMING_POISON).
pub const UFFD_INCOMING_EVENT_SOURCE_ERROR: c_int = 3;

/// `event`: a snapshot load has placed every page. uffd_incoming_wait() may have returned before.
pub const UFFD_INCOMING_EVENT_COMPLETE: c_int = 4;

/// `event`: a snapshot load has nothing left to load, but is not complete, because it has poisoned pages
/// (UFFD_INCOMING_POISON). `error` is -EIO. Cleanup is allowed, and poisoned pages stay poisoned after it. Once
/// all of them have been placed, the load is complete.
pub const UFFD_INCOMING_EVENT_POISONED: c_int = 5;

/// `log`: something failed; the message says what and where.
pub const UFFD_INCOMING_LOG_ERROR: c_int = 0;

/// `log`: something works worse than it could, but nothing is lost.
pub const UFFD_INCOMING_LOG_WARNING: c_int = 1;

/// `log`: information.
pub const UFFD_INCOMING_LOG_INFO: c_int = 2;

/// Describes a mis, for uffd_incoming_attach() and uffd_incoming_configure(). The struct is copied. Every
/// callback may be NULL, and is passed the mis. The number 0 selects a default.
///
/// A callback runs on a thread of the library, unless its description says otherwise. Such a thread:
/// - blocks all signals but SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS. Those are blocked or not as on
///   the thread that sets up, so a crash handler of the VMM also runs here;
/// - has the default stack size of pthread_create(), which pthread_setattr_default_np() and RLIMIT_STACK
///   change;
/// - inherits the CPU affinity and the scheduling policy of the thread that sets up. `thread_start` may change
///   both.
///
/// A fault thread may move between the CPUs of its affinity. If only one thread of this process faults, and it
/// is pinned, the fault thread moves to that thread's CPU. It does not follow a thread with a real-time or
/// deadline policy. It moves back after 10 ms without a fault.
///
/// A callback must return: no longjmp(), C++ exception or pthread_exit() may leave it. pthread_cancel() has no
/// effect on threads of the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdIncomingConfig {
    /// sizeof(UffdIncomingConfig).
    pub size: usize,
    /// UFFD_INCOMING_BLOCKTIME, _PREEMPT, _USER_MODE_ONLY, _TRACK_DISCARDS and _POISON, combined with OR. Any
    /// other bit is -EINVAL.
    pub flags: u64,
    /// The page handler that postcopy_ram_incoming_setup() installs.
    pub page_handler: PostcopyPageHandler,
    /// Adds the current RAM blocks with uffd_incoming_add_ram_block(). Every setup calls it on the caller's
    /// thread, with an empty block table. These blocks are forgotten when the setup fails or is undone. Blocks
    /// that were added before the setup are not used: a failed setup restores them, and a successful one
    /// forgets them. If the callback returns a negative errno value, the setup fails with that value; any other
    /// value but 0 makes it fail with -EIO. NULL: the setup uses the blocks that were added before.
    pub ram_blocks: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState) -> c_int>,
    /// Called by every setup on the caller's thread, once everything exists and faults are served. The preempt
    /// thread starts after it. Any value but 0 undoes the setup, which then fails as with `ram_blocks`.
    pub setup_done: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState) -> c_int>,
    /// The body of the preempt thread. It returns when its work is done, or when `preempt_quit` asks it to.
    /// Required with UFFD_INCOMING_PREEMPT.
    pub preempt_run: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState)>,
    /// Makes `preempt_run` return. Cleanup and abort call it on the caller's thread. Required with
    /// UFFD_INCOMING_PREEMPT.
    pub preempt_quit: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState)>,
    /// Runs first on each thread of the library. `name` is the thread's name.
    pub thread_start: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState, name: *const c_char)>,
    /// Runs last on each thread of the library.
    pub thread_stop: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState, name: *const c_char)>,
    /// Returns which vCPU a thread runs: 0 to vcpus - 1, or any other number for none. `thread_id` is the
    /// kernel's thread id. Called for each fault while blocktime is measured. NULL: no thread runs a vCPU. With
    /// KVM's in-kernel interrupt controller (KVM_CREATE_IRQCHIP), a kernel worker thread waits for the page in
    /// the vCPU's place: such a fault belongs to no vCPU.
    pub vcpu_index: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState, thread_id: u32) -> c_int>,
    /// Returns a new userfaultfd of this process, from a privileged helper for example, or a negative errno
    /// value. UFFDIO_API must not have been called on it. The library takes ownership of the descriptor. Every
    /// setup calls this on the caller's thread, once for each fault thread. NULL: the library opens the
    /// descriptors itself. With UFFD_INCOMING_TRACK_DISCARDS, the library always opens one more itself, for
    /// user mode only, which needs no privilege.
    pub open_userfaultfd: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState) -> c_int>,
    /// Reports UFFD_INCOMING_EVENT_*, for a main loop that cannot block in uffd_incoming_wait(). Runs on the
    /// thread that causes the event, which may be one of the caller's.
    pub event: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState, what: c_int, error: c_int)>,
    /// Receives a message, without a newline. `level` is UFFD_INCOMING_LOG_*. Runs on the thread that logs,
    /// which may be one of the caller's, within uffd_incoming_cleanup() or uffd_incoming_place_page() for
    /// example. Failures on threads of the library are described here, and by uffd_incoming_wait();
    /// uffd_incoming_error() describes failed calls of the caller. NULL: errors and warnings go
    /// to stderr.
    pub log: Option<unsafe extern "C" fn(mis: *mut MigrationIncomingState, level: c_int, message: *const c_char)>,
    /// The number of vCPUs to measure blocktime for, at most 65536. 0 with UFFD_INCOMING_BLOCKTIME is -EINVAL.
    pub vcpus: u32,
    /// The number of fault threads. The RAM is striped over them. 0 and 1: one thread. At most 64.
    pub fault_threads: u32,
    /// The longest time, in microseconds, that a fault thread spins for the next fault before it sleeps. It
    /// spins for less if that finds no faults. It does not spin if the fault and loader threads would then
    /// occupy all CPUs. It does not spin on the CPU of a pinned thread that faults alone. The first fault
    /// thread does not spin while it serves shared descriptors. 0: never. At most 1000.
    pub spin_us: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Reports each fault of this process, for tracing and statistics, before its page is requested or placed.
    /// A fault thread calls it. `offset` is the page's offset in `rb`, `address` the fault's address, rounded
    /// down to the kernel's page size, and `thread_id` the kernel's id of the thread that waits. Faults of
    /// clients go to `handler` of UffdSharedFd instead. `size` may exclude this field: it was added later.
    pub fault: Option<
        unsafe extern "C" fn(
            mis: *mut MigrationIncomingState,
            rb: *mut RAMBlock,
            offset: ram_addr_t,
            address: *mut c_void,
            thread_id: u32,
        ),
    >,
}

/// A RAM block, for uffd_incoming_add_ram_block(). The struct is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdRamBlock {
    /// sizeof(UffdRamBlock).
    pub size: usize,
    /// The block's name, 1 to 255 bytes of UTF-8. Messages use it, and snapshots identify the block by it.
    pub idstr: *const c_char,
    /// The address of the block's mapping, aligned to page_size. The memory is private anonymous, shmem (memfd)
    /// or hugetlbfs, mapped private or shared. It stays the caller's, and must stay mapped until the block is
    /// removed. Before Linux 6.4, shmem with transparent huge pages needs MADV_NOHUGEPAGE while armed:
    /// otherwise khugepaged may turn missing pages into zeros, unnoticed.
    pub host: *mut c_void,
    /// The length in bytes: a multiple of page_size, not 0.
    pub length: u64,
    /// The size in which pages are requested and placed: a power of two, at least the host's page size. For
    /// hugetlbfs it is the huge page size.
    pub page_size: u64,
}

/// Counters of the current setup, or of the last one: uffd_incoming_get_stats().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdIncomingStats {
    /// In: sizeof(UffdIncomingStats). At most that many bytes are written.
    pub size: usize,
    /// Faults read from the kernel.
    pub faults: u64,
    /// Pages (of their block's page size) placed with data, on demand or in the background.
    pub pages_placed: u64,
    /// Pages placed as zeros, including pages that the guest had discarded.
    pub zero_pages_placed: u64,
    /// Pages that the page handler was called for.
    pub pages_requested: u64,
    /// Failed calls of the page handler, and failed reads of the snapshot.
    pub source_errors: u64,
    /// Pages that have been poisoned (UFFD_INCOMING_POISON). Placing a poisoned page later does not lower the
    /// count.
    pub pages_poisoned: u64,
    /// Bytes of RAM that a snapshot load has to place. 0 without a load.
    pub bytes_total: u64,
    /// The part of bytes_total that has been placed.
    pub bytes_loaded: u64,
    /// The sum of all fault latencies in nanoseconds. A latency is the time from reading a fault to placing its
    /// page.
    pub fault_latency_ns_sum: u64,
    /// A histogram of the fault latencies. Bucket 0 counts those below 1 us. Bucket i counts those from 2^(i-1)
    /// us to below 2^i us. The last bucket has no upper end.
    pub fault_latency_buckets: [u64; 24],
    /// The number of fault threads now; 0 when not armed.
    pub fault_threads: u32,
    /// 1 while paused.
    pub paused: u32,
    /// 1 after a snapshot load has placed every page.
    pub complete: u32,
    /// 0.
    pub reserved: u32,
    /// Bytes of RAM that are a mapping of the snapshot's file (UFFD_LOAD_MAP_PRIVATE). `size` may exclude this
    /// field: it was added later.
    pub bytes_mapped: u64,
    /// Bytes of the snapshot's data that were found to be pages of zeros, and were placed as such (see
    /// UFFD_LOAD_NO_ZERO_SCAN). `size` may exclude this field and those after it.
    pub bytes_of_zeros: u64,
    /// Bytes placed by moving pages (UFFDIO_MOVE), without a copy.
    pub bytes_moved: u64,
    /// The longest time, in nanoseconds, that any thread has been waiting for a page so far. 0 if no thread
    /// waits. See uffd_incoming_dump().
    pub oldest_wait_ns: u64,
    /// The number of threads that wait for a page now. vCPUs whose blocktime is measured are all counted; of
    /// other threads, at most 256. A thread counts once its fault has been read: while a page handler blocks and no
    /// other fault thread is free, those that fault later are not seen.
    pub threads_waiting: u64,
    /// Bytes of the snapshot that were read from the page cache, without waiting. Zeros between them count, too, and what
    /// is read twice counts twice. Mapped RAM (UFFD_LOAD_MAP_PRIVATE) is not read.
    pub bytes_read_cached: u64,
    /// Bytes of the snapshot that were read by calls that may wait for the disk. On tmpfs, FUSE and older kernels,
    /// they may have come from the page cache, too.
    pub bytes_read_waiting: u64,
    /// The part of bytes_read_cached and bytes_read_waiting that fault threads have read. Loader threads have read the
    /// rest, in the background.
    pub bytes_read_on_demand: u64,
}

/// The progress of one RAM block: uffd_incoming_get_block_stats(). All counts are of now; they are 0 before a setup
/// and after cleanup.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdIncomingBlockStats {
    /// In: sizeof(UffdIncomingBlockStats). At most that many bytes are written.
    pub size: usize,
    /// The block's length in bytes.
    pub length: u64,
    /// The block's page size.
    pub page_size: u64,
    /// How many of its bytes have been placed, marked received, or discarded while discards are tracked.
    pub bytes_received: u64,
    /// Pages that the page handler was asked for, or a read of the snapshot began for, and that have not been placed.
    pub pages_requested: u64,
    /// Pages that were poisoned in this setup and have not been placed since.
    pub pages_poisoned: u64,
    /// How many threads wait for a page of this block. Counted as UffdIncomingStats.threads_waiting is.
    pub threads_waiting: u64,
    /// The longest time, in nanoseconds, that one of these threads has been waiting so far. 0 if none waits.
    pub oldest_wait_ns: u64,
}

/// How long the vCPUs waited for pages: uffd_incoming_get_blocktime(). A wait counts once it has ended.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdIncomingBlocktime {
    /// In: sizeof(UffdIncomingBlocktime).
    pub size: usize,
    /// Nanoseconds during which all vCPUs waited at the same time.
    pub total_ns: u64,
    /// Faults of vCPUs whose page has been placed.
    pub faults_vcpu: u64,
    /// Faults of other threads whose page has been placed.
    pub faults_other: u64,
    /// Mean latency of the faults of vCPUs, in nanoseconds.
    pub latency_ns_vcpu: u64,
    /// Mean latency of the faults of other threads, in nanoseconds.
    pub latency_ns_other: u64,
    /// In: the number of elements of each array. Out: the number of vCPUs measured.
    pub vcpus: u32,
    /// 0.
    pub reserved: u32,
    /// An array of the caller's, or NULL: nanoseconds that each vCPU waited.
    pub vcpu_ns: *mut u64,
    /// An array of the caller's, or NULL: the number of faults of each vCPU.
    pub vcpu_faults: *mut u64,
    /// An array of the caller's, or NULL: mean latency of the faults of each vCPU, in nanoseconds.
    pub vcpu_latency_ns: *mut u64,
}

/// UffdIncomingHost.ways: /dev/userfaultfd can be opened (Linux 6.1). Its descriptors also serve faults by the
/// kernel.
pub const UFFD_INCOMING_HOST_DEVICE: u64 = 1 << 0;

/// UffdIncomingHost.ways: the userfaultfd system call is permitted. Its descriptors also serve faults by the
/// kernel.
pub const UFFD_INCOMING_HOST_SYSCALL: u64 = 1 << 1;

/// UffdIncomingHost.ways: the userfaultfd system call is permitted, for faults in user mode only.
pub const UFFD_INCOMING_HOST_USER_MODE_ONLY: u64 = 1 << 2;

/// What this host supports for this process: uffd_incoming_probe().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdIncomingHost {
    /// In: sizeof(UffdIncomingHost). At most that many bytes are written.
    pub size: usize,
    /// The available ways to open a userfaultfd: UFFD_INCOMING_HOST_*. 0: none.
    pub ways: u64,
    /// The kernel's UFFD_FEATURE_* bits, see linux/userfaultfd.h. 0 if `ways` is 0.
    pub features: u64,
    /// The host's page size in bytes.
    pub page_size: u32,
    /// Why /dev/userfaultfd cannot be opened: a negative errno value. 0 if it can.
    pub device_error: i32,
    /// Why the system call is not permitted for all faults: a negative errno value. 0 if it is.
    pub syscall_error: i32,
    /// Why the system call is not permitted even for user mode only: a negative errno value. 0 if it is.
    pub user_mode_error: i32,
    /// How to make an unavailable way available, in words. Empty if there is nothing to do.
    pub advice: [c_char; 512],
}

/// UffdLoadConfig.flags: do not empty the RAM first. Pages that are present keep their content. Pages marked
/// received (uffd_incoming_mark_received()) are not loaded.
pub const UFFD_LOAD_KEEP_PRESENT: u64 = 1 << 0;

/// UffdLoadConfig.flags: start no background loader. Pages arrive on demand; only those of a replayed working
/// set are loaded ahead. With UFFD_LOAD_KEEP_PRESENT, present pages never fault, so the load completes only if
/// those pages are marked received.
pub const UFFD_LOAD_NO_BACKGROUND: u64 = 1 << 1;

/// UffdLoadConfig.flags: read data that is not in the page cache with O_DIRECT, in reads of at least 64 KiB. A
/// fault on a single page still reads through the page cache. From a disk this is faster for pages that the guest
/// touches in random order, and it takes no memory beside the RAM. But the next restore finds little in the page
/// cache.
///
/// Data in the page cache is used if the kernel reports it: Linux 6.5 or newer, not on overlayfs, and only to a
/// process that owns the file or may write to it. Otherwise a warning (`log`) says that everything is read from
/// the disk. Data whose alignment the disk does not support is read through the page cache.
///
/// uffd_incoming_load_snapshot() opens the file again, through /proc. It fails with open()'s error if this
/// process may not open the file, or if the file system has no direct reads; without /proc it fails with
/// -EOPNOTSUPP. In these cases nothing has changed. Cleanup and a failed load close that descriptor, and Linux
/// then drops the process's POSIX record locks on the file. Open file description locks stay.
pub const UFFD_LOAD_DIRECT_IO: u64 = 1 << 2;

/// UffdLoadConfig.flags: make no huge pages. Without this flag, a 2 MiB unit of private anonymous RAM is moved
/// into place as one huge page (UFFDIO_MOVE, Linux 6.8). That is faster than copying. The RAM must ask for huge
/// pages: with MADV_HUGEPAGE, or by "always" in /sys/kernel/mm/transparent_hugepage/enabled and no
/// MADV_NOHUGEPAGE. It must have no policy (mbind()) that names its NUMA nodes. In all other cases pages are
/// copied: with this flag, with UFFD_LOAD_KEEP_PRESENT, and if a condition does not hold or cannot be checked
/// (no /proc).
///
/// Set this flag also on a kernel whose UFFDIO_MOVE is not trusted. For pages in swap space, Linux fixed
/// UFFDIO_MOVE in 2025.
pub const UFFD_LOAD_NO_HUGE_PAGES: u64 = 1 << 3;

/// UffdLoadConfig.flags: map the data of private anonymous RAM from the snapshot's file instead of copying it.
/// Pages that are only read are shared, through the page cache, with every process that maps the file. Zeros
/// stay anonymous memory. Nothing is scanned or moved. No userfaultfd serves such a block: it counts as loaded
/// once the call returns, or with a replayed working set once that is in memory. If all RAM is mapped, no userfaultfd
/// is opened, and no fault thread starts.
///
/// THE FILE MUST NOT CHANGE as long as the RAM exists: a change is seen by the guest, and a page beyond the end
/// of a truncated file, or one that cannot be read, is SIGBUS to the thread that touches it. Keep the file
/// read-only and on a local disk. Memory that is discarded later (MADV_DONTNEED, a balloon) reads as the
/// snapshot's bytes again, not as zeros, and discards there are not tracked.
///
/// A block is loaded as usual, and a warning (`log`) says why, if its memory is not private and anonymous, has a
/// NUMA policy that names nodes, a protection key, or an attribute that a new mapping cannot be given; if the
/// file holds it in pages that are not aligned to host pages, or in more runs than vm.max_map_count allows; or if
/// the file cannot be mapped. What was set with MADV_DONTDUMP, MADV_DONTFORK, MADV_MERGEABLE and MADV_HUGEPAGE
/// stays set. Such RAM cannot be armed again: a later load refuses it, with -EINVAL. Before that, map new memory in its
/// place, with mmap(MAP_FIXED | MAP_ANONYMOUS).
///
/// With UFFD_LOAD_KEEP_PRESENT or UFFD_LOAD_DIRECT_IO it is -EINVAL.
pub const UFFD_LOAD_MAP_PRIVATE: u64 = 1 << 4;

/// UffdLoadConfig.flags: do not look for pages of zeros in the snapshot's data. Without this flag, such a page
/// is placed as zeros, which take no memory. Flat images contain many such pages. The scan of a page ends at
/// its first byte that is not zero.
pub const UFFD_LOAD_NO_ZERO_SCAN: u64 = 1 << 5;

/// UffdLoadConfig.flags: start no reader threads. A fault thread then waits for the disk itself, and other faults
/// wait for that, too.
pub const UFFD_LOAD_NO_READERS: u64 = 1 << 6;

/// How to load a snapshot: uffd_incoming_load_snapshot().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdLoadConfig {
    /// sizeof(UffdLoadConfig).
    pub size: usize,
    /// UFFD_LOAD_KEEP_PRESENT, UFFD_LOAD_NO_BACKGROUND, UFFD_LOAD_DIRECT_IO, UFFD_LOAD_NO_HUGE_PAGES,
    /// UFFD_LOAD_MAP_PRIVATE, UFFD_LOAD_NO_ZERO_SCAN and UFFD_LOAD_NO_READERS, combined with OR. Any other bit is -EINVAL.
    pub flags: u64,
    /// The number of threads that load in the background. 0: one, or two with UFFD_LOAD_DIRECT_IO, of which one waits for
    /// the disk while the other places. At most 64. Each loader, fault and reader
    /// thread has buffers of up to 10 MiB, or more if host pages exceed 2 MiB. Cleanup frees them.
    pub loader_threads: u32,
    /// The number of temporary pages to allocate for the caller. 0: one.
    pub channels: u32,
    /// The path of a file to record the working set in, or NULL. The file lists the pages that were faulted on,
    /// in order; of blocks that are mapped (UFFD_LOAD_MAP_PRIVATE) those that this process had mapped until then,
    /// in the order of addresses. Cleanup or abort writes it, and replaces an existing file; a failure to do so is logged.
    /// Symbolic links are followed and kept. Replayed pages come first in the record, so record and replay may
    /// name the same file. A relative path is resolved in the working directory of the call of
    /// uffd_incoming_load_snapshot().
    ///
    /// The load fails with -EINVAL and changes nothing if the path names a file of the snapshot, or anything
    /// but a regular file. If no file can be created there, it fails with the error of that.
    pub working_set_record: *const c_char,
    /// The path of a working set that an earlier restore of the same snapshot recorded, or NULL. Its pages are
    /// loaded first. uffd_incoming_load_snapshot() opens the file, and a loader thread reads it. A file that
    /// cannot be opened, is damaged, or belongs to another snapshot is logged and ignored.
    pub working_set_replay: *const c_char,
    /// The number of reader threads. While a thread waits for a page that is not in the page cache, another one
    /// serves the next faults; so the disk works on as many faults at once as there are reader threads. They are
    /// divided among the fault threads, each of which has one at least. 0: four. At most 64. `size` may exclude
    /// this field: it was added later.
    pub reader_threads: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// A RAM block in a snapshot: uffd_snapshot_block().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdSnapshotBlock {
    /// In: sizeof(UffdSnapshotBlock). At most that many bytes are written.
    pub size: usize,
    /// The block's name. Valid until the snapshot is closed.
    pub idstr: *const c_char,
    /// The block's length in bytes.
    pub length: u64,
    /// The size of the pages in the file, which is the target page size of the saved machine.
    pub page_size: u64,
    /// How many bytes of the block the file holds. The rest is zeros.
    pub data_bytes: u64,
}

/// A run of data in a RAM block of a snapshot: uffd_snapshot_next_data().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdSnapshotRun {
    /// In: sizeof(UffdSnapshotRun). At most that many bytes are written.
    pub size: usize,
    /// The offset of the run in the RAM block.
    pub offset: u64,
    /// The length of the run in bytes, never 0.
    pub length: u64,
    /// The offset of the run in the file; for a flat image, in the image.
    pub file_offset: u64,
}

/// The userfaultfd of a client, which is another process that maps the same RAM, such as a vhost-user back end:
/// uffd_incoming_add_shared_fd(). This struct never changes. It has the layout of QEMU's PostCopyFD.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UffdSharedFd {
    /// The descriptor, on which the client has called UFFDIO_API.
    pub fd: c_int,
    /// For the caller's use.
    pub data: *mut c_void,
    /// Called on a fault thread for each message (a `struct uffd_msg`) of the descriptor. It finds out which
    /// page the client touched, and calls uffd_incoming_request_shared_page(). `shared` is the library's copy
    /// of this struct. Any value but 0 reports a failure: the fault and loader threads pause, also with
    /// UFFD_INCOMING_POISON. After uffd_incoming_resume() the handler is called with the same message again.
    /// With one fault thread, the handler never runs concurrently with the page handler.
    pub handler: Option<unsafe extern "C" fn(shared: *mut UffdSharedFd, uffd_msg: *mut c_void) -> c_int>,
    /// Called for each page that has been placed, on the thread that placed it. It wakes the client with
    /// uffd_incoming_wake_shared() if the client maps the page. Any value but 0 is logged.
    pub waker: Option<unsafe extern "C" fn(shared: *mut UffdSharedFd, rb: *mut RAMBlock, offset: u64) -> c_int>,
    /// The client's name in messages, or NULL.
    pub idstr: *const c_char,
}

const _: () = assert!(size_of::<UffdSharedFd>() == 5 * size_of::<usize>());
