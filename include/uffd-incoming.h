/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uffd-incoming.h - lazy RAM for virtual machine monitors: postcopy setup and fast snapshot load.
 *
 * A VMM gives the library its RAM blocks and a callback; every missing page of that RAM then arrives on demand.
 * Valid C11 and C++17. May be included after a program's own declarations of MigrationIncomingState, RAMBlock,
 * PostcopyPageHandler and ram_addr_t (define UFFD_INCOMING_HAVE_RAM_ADDR_T for the last one).
 *
 * Generated from the documented Rust sources by cbindgen. Do not edit: run `make header`.
 *
 * Conventions, for every function that does not say otherwise:
 *  - Returns 0, or a negative errno value (a pointer: NULL, and errno is set); uffd_incoming_error() then tells in words
 *    what failed, where, and what to do. Outputs are written only on success. Lengths and offsets are in bytes.
 *  - May be called from any thread and from every callback. Only these are -EDEADLK from within a callback of the same
 *    mis, since they wait for callbacks: uffd_setup_incoming(), postcopy_ram_incoming_setup(),
 *    uffd_incoming_load_snapshot(), _cleanup(), _abort(), _detach(), _pause(), _wait(), and _remove_ram_block() while armed.
 *  - A NULL handle or pointer, a misaligned struct or an unknown flag is -EINVAL; a mis, RAM block, snapshot or shared
 *    descriptor the library does not know is -ENOENT.
 *  - Structs but UffdSharedFd start with `size`, which the caller sets to sizeof: less than in the first version is -EINVAL;
 *    one passed in is -E2BIG if it is not 0 beyond what this version knows of it, or has more than 4096 bytes.
 *  - -ENOMEM: no memory. -ENOTRECOVERABLE: an error in the library itself; please report it.
 *  - No call is a cancellation point: a pthread_cancel() of a thread during a call, its callbacks included, waits until the call
 *    has returned. A thread with PTHREAD_CANCEL_ASYNCHRONOUS must not call.
 *  - Paths may be any bytes. Names are UTF-8.
 *  - Needs Linux 4.14 or newer; what needs more says so.
 */

#ifndef UFFD_INCOMING_H
#define UFFD_INCOMING_H

#include <stddef.h>
#include <stdint.h>
#ifndef UFFD_INCOMING_HAVE_RAM_ADDR_T
typedef uintptr_t ram_addr_t;
#endif
#ifdef __cplusplus
static_assert(sizeof(ram_addr_t) == sizeof(uintptr_t), "ram_addr_t must have the size of uintptr_t");
#else
_Static_assert(sizeof(ram_addr_t) == sizeof(uintptr_t), "ram_addr_t must have the size of uintptr_t");
#endif

/**
 * UffdIncomingConfig.flags: postcopy_ram_incoming_setup() and uffd_incoming_load_snapshot() keep account of how long
 * the vCPUs wait (`vcpu_index` tells which thread is one): uffd_incoming_get_blocktime().
 */
#define UFFD_INCOMING_BLOCKTIME (1 << 0)

/**
 * UffdIncomingConfig.flags: postcopy_ram_incoming_setup() allocates a second channel and runs `preempt_run` on a
 * thread of its own for urgent pages.
 */
#define UFFD_INCOMING_PREEMPT (1 << 1)

/**
 * UffdIncomingConfig.flags: open a userfaultfd that serves faults of user mode only. Any user may (Linux 5.11);
 * accesses that the kernel makes (KVM's own, or a read() into missing RAM) then fail with EFAULT instead of waiting. It is not for
 * KVM: KVM_RUN fails with EFAULT when the guest touches a missing page; with KVM's own interrupt controller KVM tries again and
 * again, and KVM_RUN does not return until a signal comes.
 */
#define UFFD_INCOMING_USER_MODE_ONLY (1 << 2)

/**
 * UffdIncomingConfig.flags: track what the VMM discards while armed (a balloon's madvise with MADV_DONTNEED, MADV_REMOVE or
 * MADV_FREE). Any thread may discard, also in a handler or another callback; but not in `log`, and not in a callback on the
 * thread `uffd/events`, which is the one that reads of it. Whatever moment that comes at, the pages are zeros afterwards
 * and never what the source has for them, in shared RAM too (where MADV_DONTNEED by itself empties only what has not
 * arrived). After MADV_FREE that holds for pages that had not arrived; the others keep what they held until they are
 * written to, or the kernel takes them, which makes them zeros at any moment.
 *
 * The discard returns when a thread of the library has read of it, which neither a pause nor a running handler delays.
 * Without the flag a discard can lose against the placing of the same page. Each fault goes through one thread more, so
 * it takes longer. Block page sizes must be the kernel's. fallocate() and discards of other processes are not seen.
 */
#define UFFD_INCOMING_TRACK_DISCARDS (1 << 3)

/**
 * UffdIncomingConfig.flags: pages of private anonymous RAM that cannot be had (the handler fails, or the snapshot cannot be
 * read) are poisoned (Linux 6.6): whoever touches one, or waits for it, gets SIGBUS at its address, and all else goes on.
 * Placing the page heals it; discarding it makes it missing again. Other RAM, older kernels, and failures of the host (no
 * memory for a page: -ENOMEM and -ENOSPC of a handler, too) pause as without this flag. A read() into a poisoned page fails
 * with EFAULT.
 *
 * When a KVM guest touches a poisoned page, the kernel sends SIGBUS to the vCPU's thread: si_code is BUS_MCEERR_AR, si_addr the
 * page's address in this process. KVM_RUN fails with EINTR, and each later KVM_RUN does the same until the page is placed. An
 * access that KVM emulates leaves KVM_RUN with KVM_EXIT_MMIO instead, at the page's guest-physical address. A VMM with KVM
 * must handle both: a SIGBUS that is not handled kills it; if SIGBUS is blocked or ignored, KVM_RUN does not return until the
 * page is placed or another signal comes. docs/kvm.md says what to do.
 */
#define UFFD_INCOMING_POISON (1 << 4)

/**
 * `event`: a pause begins: faults queue until uffd_incoming_resume(). No fault or loader thread begins anything new; what is
 * running may go on for a while (uffd_incoming_pause() waits for it, this event does not). `error` says why: a negative
 * errno value, or 0 for uffd_incoming_pause(). A failure during a pause that was asked for sends one more, with the reason.
 */
#define UFFD_INCOMING_EVENT_PAUSED 1

/**
 * `event`: uffd_incoming_resume() is about to end a pause. Cleanup and abort end one without this event. Events of threads
 * that pause and resume at the same time may cross: `paused` of the statistics tells how things stand.
 */
#define UFFD_INCOMING_EVENT_RESUMED 2

/**
 * `event`: pages could not be had from their source; `error` is the negative errno value. They stay missing and are asked
 * for again after uffd_incoming_resume(), or are poisoned (UFFD_INCOMING_POISON).
 */
#define UFFD_INCOMING_EVENT_SOURCE_ERROR 3

/**
 * `event`: a snapshot load has placed every page.
 */
#define UFFD_INCOMING_EVENT_COMPLETE 4

/**
 * `event`: a snapshot load has nothing left to load, and is not complete: it has poisoned pages (UFFD_INCOMING_POISON).
 * `error` is -EIO. Cleanup is allowed; poisoned pages stay poisoned. Should all of them be placed, the load is complete.
 */
#define UFFD_INCOMING_EVENT_POISONED 5

/**
 * `log`: something failed, and the message says what and where.
 */
#define UFFD_INCOMING_LOG_ERROR 0

/**
 * `log`: something is worse than it could be, and nothing is lost.
 */
#define UFFD_INCOMING_LOG_WARNING 1

/**
 * `log`: worth knowing.
 */
#define UFFD_INCOMING_LOG_INFO 2

/**
 * UffdIncomingHost.ways: /dev/userfaultfd can be opened (Linux 6.1); it serves the kernel's accesses too.
 */
#define UFFD_INCOMING_HOST_DEVICE (1 << 0)

/**
 * UffdIncomingHost.ways: the userfaultfd system call is permitted; it serves the kernel's accesses too.
 */
#define UFFD_INCOMING_HOST_SYSCALL (1 << 1)

/**
 * UffdIncomingHost.ways: the userfaultfd system call is permitted for faults of user mode only.
 */
#define UFFD_INCOMING_HOST_USER_MODE_ONLY (1 << 2)

/**
 * UffdLoadConfig.flags: do not empty the RAM first. Pages that are present win over the snapshot's, and pages marked
 * received (uffd_incoming_mark_received()) are not loaded.
 */
#define UFFD_LOAD_KEEP_PRESENT (1 << 0)

/**
 * UffdLoadConfig.flags: no background loader; pages come on demand only, but for a replayed working set. With
 * UFFD_LOAD_KEEP_PRESENT, pages that are present never fault, and so the load is complete only if they are marked
 * received.
 */
#define UFFD_LOAD_NO_BACKGROUND (1 << 1)

/**
 * UffdLoadConfig.flags: read what is not in the page cache past it (O_DIRECT), 64 KiB or more at once; single pages that are
 * faulted on still go by it. From a disk that is faster, and takes no memory beside the RAM; but the next restore finds little
 * in the page cache. What that holds is used where the kernel tells: Linux 6.5 or newer, not on overlayfs, and only to
 * processes that own the file or may write to it; others get a warning (`log`) that all is read from the disk. The file is opened
 * once more, by way of /proc: where that cannot be (a descriptor whose file this process may not open itself), or the file
 * system has no such reading, uffd_incoming_load_snapshot() fails with what open() said (-EOPNOTSUPP: without /proc), and has
 * changed nothing. What
 * has no place in the file that suits its disk is read by the page cache all the same. The VMM's own POSIX record locks on the
 * file are dropped by the clean-up, and by a load that fails (locks of open file descriptions stay).
 */
#define UFFD_LOAD_DIRECT_IO (1 << 2)

/**
 * UffdLoadConfig.flags: make no huge pages. Without it, a unit of 2 MiB of private anonymous RAM is moved into place as one huge page
 * (UFFDIO_MOVE, Linux 6.8) where the RAM wants huge pages (madvise(MADV_HUGEPAGE), or "always" in
 * /sys/kernel/mm/transparent_hugepage/enabled and no MADV_NOHUGEPAGE) and no policy (mbind()) says from which nodes its memory
 * comes; that is faster than copying. With it, or where any of that is not so or cannot be told (no /proc), and with
 * UFFD_LOAD_KEEP_PRESENT, pages are copied. For a kernel whose UFFDIO_MOVE is not trusted, too: it has been mended for pages in swap
 * space in 2025.
 */
#define UFFD_LOAD_NO_HUGE_PAGES (1 << 3)

/**
 * UffdLoadConfig.flags: do not look for pages of zeros among what the snapshot holds as data. Without it, such a page is placed as
 * zeros, which take no memory: a flat dump is full of them. The scan ends at a page's first byte that is not zero.
 */
#define UFFD_LOAD_NO_ZERO_SCAN (1 << 5)

/**
 * The caller's state of an incoming migration or restore: a handle. The library never looks inside; it knows a mis
 * by its address and hands it back to every callback. QEMU's own struct fits; so does any struct of yours, cast.
 */
typedef struct MigrationIncomingState MigrationIncomingState;

/**
 * The caller's RAM block: a handle, known by its address only and handed back to callbacks.
 */
typedef struct RAMBlock RAMBlock;

/**
 * An open snapshot: see uffd_snapshot_open().
 */
typedef struct UffdSnapshot UffdSnapshot;

/**
 * The caller's page handler, called on a fault thread for each page that a thread waits for and that was not
 * received yet. `offset` is the fault's offset into `rb`, aligned down to the block's page size; `fault_address` is
 * the host address that was touched, aligned down to the kernel's page size there.
 *
 * It places the page now (uffd_incoming_place_page() and its kin), or sets out to: asks the source, and some thread
 * places the page later. Returns 0 when done or on its way. Anything else (a negative errno value says it best; what
 * is none counts as -EIO) means it could not: the page is poisoned where UFFD_INCOMING_POISON says so; otherwise fault and
 * loader threads pause until uffd_incoming_resume(), then it is asked again, or at once if a resume came during the call.
 *
 * With one fault thread (the default) calls of one mis never run concurrently. It may block for long, and no lock
 * is held meanwhile, but it must not touch guest RAM that may be missing. It may be called again for a page that
 * is on its way, when another thread touches that page.
 */
typedef int (*PostcopyPageHandler)(struct MigrationIncomingState *mis,
                                   struct RAMBlock *rb,
                                   ram_addr_t offset,
                                   void *fault_address);

/**
 * Describes a mis: uffd_incoming_attach(), uffd_incoming_configure(). Copied. Every callback may be NULL and is given
 * the mis; 0 in a number means a sensible default.
 *
 * Callbacks run on threads of the library unless they say otherwise. Those threads have all signals blocked but SIGSEGV, SIGBUS,
 * SIGFPE, SIGILL, SIGTRAP and SIGSYS, which are as on the thread that sets up: a crash handler of the VMM runs there, too. Their
 * stacks have the size that pthread_create() gives by default: pthread_setattr_default_np() or RLIMIT_STACK change it. They inherit
 * the CPU affinity and scheduling policy of the thread that sets up: `thread_start` is the place to change those. A fault thread
 * may move within its affinity. It moves to the CPU of a pinned thread of this process that faults alone, unless that thread has
 * a real-time or deadline policy, and moves back after 10 ms without a fault.
 *
 * Callbacks must return: no longjmp(), no C++ exception, no pthread_exit(). pthread_cancel() has no effect on threads of the
 * library.
 */
typedef struct UffdIncomingConfig {
    /**
     * sizeof(UffdIncomingConfig).
     */
    size_t size;
    /**
     * UFFD_INCOMING_BLOCKTIME, _PREEMPT, _USER_MODE_ONLY, _TRACK_DISCARDS, _POISON, or'ed. Any other bit is -EINVAL.
     */
    uint64_t flags;
    /**
     * The handler that postcopy_ram_incoming_setup() installs.
     */
    PostcopyPageHandler page_handler;
    /**
     * Called by every set-up, on the caller's thread, with an empty table: adds the RAM blocks as they are now with
     * uffd_incoming_add_ram_block(). They are forgotten when the set-up fails or is undone. Non-zero fails the
     * set-up: with that value if it is a negative errno value, else with -EIO. Blocks that were added before play no part:
     * they are back after a set-up that fails, and forgotten by one that does not. NULL: they are the ones.
     */
    int (*ram_blocks)(struct MigrationIncomingState *mis);
    /**
     * Called at the end of every set-up, on the caller's thread: all exists, faults are served, the preempt thread
     * has not started yet. Non-zero undoes the set-up, which fails like with ram_blocks.
     */
    int (*setup_done)(struct MigrationIncomingState *mis);
    /**
     * The body of the preempt thread; returns when told to quit or done. Needed with UFFD_INCOMING_PREEMPT.
     */
    void (*preempt_run)(struct MigrationIncomingState *mis);
    /**
     * Makes preempt_run return. Called by cleanup and abort, on the caller's thread. Needed with UFFD_INCOMING_PREEMPT.
     */
    void (*preempt_quit)(struct MigrationIncomingState *mis);
    /**
     * The first thing on each thread of the library; `name` is the thread's name.
     */
    void (*thread_start)(struct MigrationIncomingState *mis, const char *name);
    /**
     * The last thing on each thread of the library.
     */
    void (*thread_stop)(struct MigrationIncomingState *mis, const char *name);
    /**
     * Which vCPU a thread (its kernel thread id) runs: 0 .. vcpus - 1; any other number: none. Called for each fault while
     * blocktime is kept. NULL: no thread is a vCPU. With KVM's own interrupt controller (KVM_CREATE_IRQCHIP), a worker thread
     * of the kernel waits for the page in the vCPU's place: such a fault is no vCPU's.
     */
    int (*vcpu_index)(struct MigrationIncomingState *mis, uint32_t thread_id);
    /**
     * Gives a fresh userfaultfd (not yet shaken hands with) of this process from a privileged helper, or a negative
     * errno value. The library owns what it is given. Called by every set-up, once for each fault thread, on the
     * caller's thread. NULL: the library opens its own. With UFFD_INCOMING_TRACK_DISCARDS it opens one more by itself, for
     * user mode only, which any user may.
     */
    int (*open_userfaultfd)(struct MigrationIncomingState *mis);
    /**
     * Something happened: UFFD_INCOMING_EVENT_*. For a main loop that cannot sit in uffd_incoming_wait(). Runs on the
     * thread that made it happen, which may be one of the caller's.
     */
    void (*event)(struct MigrationIncomingState *mis, int what, int error);
    /**
     * A message, without a newline; `level` is UFFD_INCOMING_LOG_*. Runs on whichever thread is in the library, the
     * caller's too: within uffd_incoming_cleanup() or _place_page(), say. What fails on a thread of the library is told in
     * words here (and by uffd_incoming_wait()): uffd_incoming_error() is about calls. NULL: stderr.
     */
    void (*log)(struct MigrationIncomingState *mis, int level, const char *message);
    /**
     * How many vCPUs blocktime is kept for, at most 65536. 0 with UFFD_INCOMING_BLOCKTIME is -EINVAL.
     */
    uint32_t vcpus;
    /**
     * How many fault threads serve; the RAM is striped over them. 0 and 1: one. At most 64.
     */
    uint32_t fault_threads;
    /**
     * At most how many microseconds a fault thread looks for the next fault before it sleeps: less where that finds
     * nothing, and not at all where fault and loader threads would take all CPUs, beside a pinned thread that faults alone,
     * or, for the first one, while it serves shared descriptors. 0: never. At most 1000.
     */
    uint32_t spin_us;
    /**
     * 0.
     */
    uint32_t reserved;
} UffdIncomingConfig;

/**
 * A RAM block: uffd_incoming_add_ram_block(). Copied.
 */
typedef struct UffdRamBlock {
    /**
     * sizeof(UffdRamBlock).
     */
    size_t size;
    /**
     * The block's name, 1 to 255 bytes of UTF-8: what messages call it and what a snapshot knows it by.
     */
    const char *idstr;
    /**
     * Where the block is mapped, aligned to page_size: private anonymous memory, shmem (memfd) or hugetlbfs, private
     * or shared. It stays the caller's, and must stay mapped while the block is known here. Before Linux 6.4, shmem with
     * transparent huge pages needs MADV_NOHUGEPAGE while armed: khugepaged may turn missing pages into zeros there, unseen.
     */
    void *host;
    /**
     * Bytes, a multiple of page_size, not 0.
     */
    uint64_t length;
    /**
     * The size in which pages are asked for and placed: a power of two, at least the host's page size. For hugetlbfs:
     * its huge page size.
     */
    uint64_t page_size;
} UffdRamBlock;

/**
 * A userfaultfd of another process, e.g. a vhost-user back end: uffd_incoming_add_shared_fd(). This struct never changes:
 * it is laid out like QEMU's PostCopyFD.
 */
typedef struct UffdSharedFd {
    /**
     * The descriptor; shaken hands with, by its process.
     */
    int fd;
    /**
     * The caller's.
     */
    void *data;
    /**
     * Called on a fault thread with each message (a `struct uffd_msg`) of the descriptor: finds out which page is meant,
     * and calls uffd_incoming_request_shared_page(). It is given the library's copy of this struct. Non-zero: it could
     * not; all pauses, with UFFD_INCOMING_POISON, too, until uffd_incoming_resume(), then it is called with the same
     * message again. Never concurrently with the page handler as long as there is one fault thread.
     */
    int (*handler)(struct UffdSharedFd *shared, void *uffd_msg);
    /**
     * Called for each page that has been placed, on the thread that placed it: wakes the client, if it maps the page
     * (uffd_incoming_wake_shared()). Non-zero is logged.
     */
    int (*waker)(struct UffdSharedFd *shared, struct RAMBlock *rb, uint64_t offset);
    /**
     * What messages call it, or NULL.
     */
    const char *idstr;
} UffdSharedFd;

/**
 * A RAM block as a snapshot holds it: uffd_snapshot_block().
 */
typedef struct UffdSnapshotBlock {
    /**
     * In: sizeof(UffdSnapshotBlock). That many bytes are written at most.
     */
    size_t size;
    /**
     * The block's name; valid until the snapshot is closed.
     */
    const char *idstr;
    /**
     * Bytes of RAM.
     */
    uint64_t length;
    /**
     * The size of the pages in the file: the machine's target page size.
     */
    uint64_t page_size;
    /**
     * How many bytes of the block the file holds; the rest is zeros.
     */
    uint64_t data_bytes;
} UffdSnapshotBlock;

/**
 * How to load a snapshot: uffd_incoming_load_snapshot().
 */
typedef struct UffdLoadConfig {
    /**
     * sizeof(UffdLoadConfig).
     */
    size_t size;
    /**
     * UFFD_LOAD_KEEP_PRESENT, UFFD_LOAD_NO_BACKGROUND, UFFD_LOAD_DIRECT_IO,
     * UFFD_LOAD_NO_HUGE_PAGES, UFFD_LOAD_NO_ZERO_SCAN, or'ed. Any other bit is -EINVAL.
     */
    uint64_t flags;
    /**
     * How many threads load in the background. 0: one. At most 64. Each takes up to 10 MiB of memory of its own, more with
     * host pages of more than 2 MiB, until the clean-up; and so does a fault thread.
     */
    uint32_t loader_threads;
    /**
     * How many temporary pages to allocate for the caller's own use. 0: one.
     */
    uint32_t channels;
    /**
     * The path of a file, or NULL: keeps there which pages were faulted on, in order. It is written by
     * uffd_incoming_cleanup() or _abort(), and replaces the file that is there; a failure of that is logged. Symbolic links
     * are followed, and stay. The load fails with -EINVAL, and changes nothing, where the path names anything but a regular
     * file, or a file of the snapshot itself; and with what creating a file there said. A relative path is one of the
     * directory in which uffd_incoming_load_snapshot() was called. What was replayed comes first in the record, so that one
     * file can be both.
     */
    const char *working_set_record;
    /**
     * The path of a file that was recorded in an earlier restore of the same snapshot, or NULL: its pages are loaded
     * first. uffd_incoming_load_snapshot() opens it, and a loader thread reads it. A file that cannot be opened, is damaged or
     * belongs to another snapshot is logged and ignored.
     */
    const char *working_set_replay;
} UffdLoadConfig;

/**
 * Counters of the current set-up, or the last one: uffd_incoming_get_stats().
 */
typedef struct UffdIncomingStats {
    /**
     * In: sizeof(UffdIncomingStats). That many bytes are written at most.
     */
    size_t size;
    /**
     * Faults read from the kernel.
     */
    uint64_t faults;
    /**
     * Pages (of their block's page size) placed with data, on demand or in the background.
     */
    uint64_t pages_placed;
    /**
     * Pages placed as zeros, those included that the guest had discarded.
     */
    uint64_t zero_pages_placed;
    /**
     * Pages that the handler was asked for.
     */
    uint64_t pages_requested;
    /**
     * Calls of the handler, and reads of the snapshot, that failed.
     */
    uint64_t source_errors;
    /**
     * Pages that have been poisoned (UFFD_INCOMING_POISON); those that have been placed later are still counted.
     */
    uint64_t pages_poisoned;
    /**
     * Bytes of RAM a snapshot load is to place; 0 without one.
     */
    uint64_t bytes_total;
    /**
     * How many of them have been placed.
     */
    uint64_t bytes_loaded;
    /**
     * Sum of the times from reading a fault to its page being placed, in nanoseconds.
     */
    uint64_t fault_latency_ns_sum;
    /**
     * How many faults took less than 1 us, and then, in bucket i, 2^(i-1) us to less than 2^i us; the last bucket has no
     * upper end.
     */
    uint64_t fault_latency_buckets[24];
    /**
     * How many fault threads serve now; 0 when not armed.
     */
    uint32_t fault_threads;
    /**
     * 1 while paused.
     */
    uint32_t paused;
    /**
     * 1 once a snapshot load has placed every page.
     */
    uint32_t complete;
    /**
     * 0.
     */
    uint32_t reserved;
} UffdIncomingStats;

/**
 * How long the vCPUs waited for pages: uffd_incoming_get_blocktime(). A vCPU that waits now is not counted yet.
 */
typedef struct UffdIncomingBlocktime {
    /**
     * In: sizeof(UffdIncomingBlocktime).
     */
    size_t size;
    /**
     * Nanoseconds in which all vCPUs waited at once.
     */
    uint64_t total_ns;
    /**
     * Faults of vCPUs whose page has been placed.
     */
    uint64_t faults_vcpu;
    /**
     * The same of other threads.
     */
    uint64_t faults_other;
    /**
     * Mean nanoseconds that a vCPU's fault took.
     */
    uint64_t latency_ns_vcpu;
    /**
     * The same of other threads.
     */
    uint64_t latency_ns_other;
    /**
     * In: how many elements the arrays have. Out: how many vCPUs are known.
     */
    uint32_t vcpus;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * The caller's array, or NULL: nanoseconds each vCPU waited.
     */
    uint64_t *vcpu_ns;
    /**
     * The caller's array, or NULL: faults of each vCPU.
     */
    uint64_t *vcpu_faults;
    /**
     * The caller's array, or NULL: mean nanoseconds a fault of each vCPU took.
     */
    uint64_t *vcpu_latency_ns;
} UffdIncomingBlocktime;

/**
 * What this host can do, for this process: uffd_incoming_probe().
 */
typedef struct UffdIncomingHost {
    /**
     * In: sizeof(UffdIncomingHost). That many bytes are written at most.
     */
    size_t size;
    /**
     * The ways to a userfaultfd that are open: UFFD_INCOMING_HOST_*. 0: none.
     */
    uint64_t ways;
    /**
     * The kernel's UFFD_FEATURE_* bits, see linux/userfaultfd.h; 0 when no way is open.
     */
    uint64_t features;
    /**
     * The host's page size in bytes.
     */
    uint32_t page_size;
    /**
     * Why /dev/userfaultfd cannot be opened: a negative errno value, or 0.
     */
    int32_t device_error;
    /**
     * Why the full system call is not permitted: a negative errno value, or 0.
     */
    int32_t syscall_error;
    /**
     * Why the system call is not permitted even for user mode only: a negative errno value, or 0.
     */
    int32_t user_mode_error;
    /**
     * What to do when a way is closed, in words; empty when there is nothing to do.
     */
    char advice[512];
} UffdIncomingHost;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a mis known and describes it. `config` NULL stands for the defaults: no callbacks, one fault thread, messages
 * on stderr. -EBUSY when it is attached already.
 */
int uffd_incoming_attach(struct MigrationIncomingState *mis,
                         const struct UffdIncomingConfig *config);

/**
 * Changes the description of a mis: all of it, the RAM blocks stay. `config` NULL stands for the defaults. -EBUSY
 * while armed.
 */
int uffd_incoming_configure(struct MigrationIncomingState *mis,
                            const struct UffdIncomingConfig *config);

/**
 * Adds a RAM block under the handle `rb`: while not armed, or from the `ram_blocks` callback. -EEXIST when `rb` or
 * the name is taken, -EINVAL when the block is misaligned, empty or overlaps another one, -EBUSY while armed.
 */
int uffd_incoming_add_ram_block(struct MigrationIncomingState *mis,
                                struct RAMBlock *rb,
                                const struct UffdRamBlock *block);

/**
 * Forgets a RAM block, also while armed: its range is unregistered, so what is missing in it reads as zeros, and
 * threads that wait for it go on. Afterwards no callback sees `rb`. Waits for a running handler. -EBUSY while a snapshot
 * load is incomplete (see uffd_incoming_drop_ram_block()), or while another thread sets the mis up or cleans it up.
 */
int uffd_incoming_remove_ram_block(struct MigrationIncomingState *mis,
                                   struct RAMBlock *rb);

/**
 * Forgets a RAM block whose memory goes away for good: RAM that is unplugged, the ROM of a device that is removed. Does what
 * uffd_incoming_remove_ram_block() does, and also while a snapshot load is incomplete: the load goes on with the other
 * blocks, and is complete without this one, whose bytes count as loaded. Call it before the memory is unmapped: a load
 * pauses at pages that are no longer there (-ENOENT). Waits for a running handler, and for reads of the snapshot for this
 * block. -EBUSY while another thread sets the mis up or cleans it up.
 */
int uffd_incoming_drop_ram_block(struct MigrationIncomingState *mis,
                                 struct RAMBlock *rb);

/**
 * Arms a mis: opens the userfaultfd and shakes hands with it, makes the eventfd that ends the fault threads, installs
 * `handler`, allocates `channels` temporary pages (each of the largest block page size) and one zero page, starts the
 * fault threads and registers every RAM block for missing pages. It never discards: what is present stays.
 *
 * Missing pages arrive only in the mappings that were added as RAM blocks, and in those of clients (uffd_incoming_add_shared_fd()).
 * Nobody else may touch missing pages of shared RAM meanwhile, neither by another mapping of the same memfd nor by read() or
 * write() of its descriptor: Linux makes a page of zeros there for good, which then counts as present. The library cannot know:
 * such an access is told to no one. A child of fork() has no registration: missing private pages are zeros to it, and missing
 * shared ones become zeros for the parent, too. Set MADV_DONTFORK on the RAM before (QEMU does): the child then has none of it.
 *
 * RAM that asks for huge pages needs MADV_NOHUGEPAGE from when pages of it are discarded until it is armed (QEMU sets it):
 * khugepaged may turn missing pages into present zeros before. A snapshot load that empties the RAM does so while it is armed.
 *
 * All or nothing: after a failure no descriptor, thread, mapping or registration is left, and it may be tried again.
 * -EINVAL: no handler, no channel, no RAM block, or RAM that userfaultfd cannot serve (a file on a disk); -EPERM:
 * userfaultfd is not permitted, or the RAM may not be written to; -ENOSYS: this kernel has no userfaultfd; -EBUSY: armed
 * already, being set up or cleaned up by another thread, or the RAM is registered with another userfaultfd; what
 * `ram_blocks`, `open_userfaultfd` or `setup_done` returned; otherwise what Linux said. Returns once every thread that it
 * starts runs, and `thread_start` has returned on it.
 */
int uffd_setup_incoming(struct MigrationIncomingState *mis,
                        PostcopyPageHandler handler,
                        unsigned int channels);

/**
 * Arms a mis for postcopy: keeps blocktime if asked for, calls uffd_setup_incoming() with the configuration's
 * `page_handler` and one channel (two with UFFD_INCOMING_PREEMPT), then starts the preempt thread if asked for. Fails
 * like uffd_setup_incoming(), and as completely.
 */
int postcopy_ram_incoming_setup(struct MigrationIncomingState *mis);

/**
 * Undoes a set-up. First lets requested urgent pages arrive, however long that takes, while `preempt_run` has not returned
 * and nothing is paused: uffd_incoming_pause() or _abort() on another thread ends that wait. Then ends a pause, ends and
 * joins the threads, unregisters the RAM and closes everything. Waits for running callbacks: unblock your handler first;
 * and to record a working set, for some reads of the snapshot.
 * While another thread cleans up, waits for its end. 0 also when not armed.
 *
 * -EBUSY, and nothing has changed: a snapshot load is incomplete, or a page that the handler was asked for has not been
 * placed: closing would turn what is missing into silent zeros, see uffd_incoming_abort(). Also while another thread sets
 * the mis up.
 *
 * After a postcopy it is up to the caller to know that every page has been placed: a missing page that no thread waits for
 * reads as zeros.
 */
int uffd_incoming_cleanup(struct MigrationIncomingState *mis);

/**
 * Undoes a set-up whatever is missing: RAM THAT HAS NOT BEEN LOADED THEN READS AS ZEROS. For a VM that will not run
 * on. Waits for nothing but running callbacks and, in a load, reads of the snapshot, for as long as its storage takes to
 * answer or to fail; ends the wait for urgent pages of a cleanup on another thread, and threads in uffd_incoming_wait()
 * return with -ECANCELED at once. 0 also when not armed. -EBUSY while another thread sets it up.
 */
int uffd_incoming_abort(struct MigrationIncomingState *mis);

/**
 * Forgets a mis, its RAM blocks, shared descriptors and statistics. -EBUSY while armed, or while another thread sets it up
 * or cleans it up.
 */
int uffd_incoming_detach(struct MigrationIncomingState *mis);

/**
 * Places one page of `rb`, of its block's page size, at the host address `host` (aligned to the page size) with the
 * bytes at `from`, and wakes who waits for it. A page that is present already stays as it is, which is success. Also while
 * paused. `from` may be a temporary page, but not guest RAM that may be missing: the kernel would wait for that. Calls the
 * wakers of shared descriptors, and `event` when that completes a load, on this thread.
 *
 * -EINVAL: `host` is misaligned or outside the block, or the mis is not armed; -ENOENT, too: the memory is no longer
 * mapped; -EFAULT: `from` cannot be read; -ENOMEM, -ENOSPC: the host has no memory for it, which pauses nothing: place it
 * again later; otherwise what Linux said. The page is still missing then.
 */
int uffd_incoming_place_page(struct MigrationIncomingState *mis,
                             struct RAMBlock *rb,
                             void *host,
                             const void *from);

/**
 * Places one page of zeros, like uffd_incoming_place_page().
 */
int uffd_incoming_place_zero_page(struct MigrationIncomingState *mis, struct RAMBlock *rb, void *host);

/**
 * Places `length` bytes (a multiple of the block's page size, not 0) like uffd_incoming_place_page(), with as few system
 * calls as can be. Pages in the range that are present already stay as they are. After a failure the pages before
 * the one that failed have been placed.
 */
int uffd_incoming_place_range(struct MigrationIncomingState *mis,
                              struct RAMBlock *rb,
                              void *host,
                              const void *from,
                              size_t length);

/**
 * The temporary page of a channel (0 .. channels - 1): room for one page of the largest block page size, to receive
 * data into before it is placed. The library owns it; it lives until cleanup or abort. NULL when not armed, and
 * beyond the channels.
 */
void *uffd_incoming_temp_page(struct MigrationIncomingState *mis,
                              unsigned int channel);

/**
 * Whether the page at `offset` has been placed or marked received: 1, 0, or a negative errno value. An offset within
 * a page stands for the page. -EINVAL: `offset` is beyond the block.
 */
int uffd_incoming_page_received(struct MigrationIncomingState *mis,
                                struct RAMBlock *rb,
                                ram_addr_t offset);

/**
 * Marks pages received that are in place by other means, e.g. what precopy brought: who waits for one of them goes on,
 * and a fault on one of them gets a zero page and never goes to the handler. `offset` and `length` are multiples of the
 * block's page size, `length` is not 0. Before the set-up (from `ram_blocks`, say) or while armed; cleanup forgets the marks.
 */
int uffd_incoming_mark_received(struct MigrationIncomingState *mis,
                                struct RAMBlock *rb,
                                ram_addr_t offset,
                                size_t length);

/**
 * Pauses: returns once no handler runs and the background loader stands still (no read of the snapshot is under way), or
 * somebody has resumed. Faults queue. 0 also when paused already. -EINVAL when not armed.
 */
int uffd_incoming_pause(struct MigrationIncomingState *mis);

/**
 * Ends a pause, whether uffd_incoming_pause() or a failed handler began it; what failed is asked for again. 0 also
 * when not paused: a handler call that is running meanwhile is then, if it fails, repeated at once. -EINVAL when not armed.
 */
int uffd_incoming_resume(struct MigrationIncomingState *mis);

/**
 * Wakes the fault threads to look again. Harmless at any time. -EINVAL when not armed.
 */
int uffd_incoming_notify(struct MigrationIncomingState *mis);

/**
 * Calls `each` for every page that the handler was asked for and that has not been placed yet, on this thread: what
 * to ask a source for again after a connection was lost. Pause first for a picture that stands still. A non-zero value
 * of `each` ends it and is returned. `opaque` is passed on. The list is made first: a block that is removed meanwhile may
 * still be in it. -EINVAL when not armed.
 */
int uffd_incoming_foreach_requested(struct MigrationIncomingState *mis,
                                    int (*each)(struct MigrationIncomingState *mis,
                                                struct RAMBlock *rb,
                                                ram_addr_t offset,
                                                void *opaque),
                                    void *opaque);

/**
 * Waits until a snapshot load has placed every page of RAM. 0 when it has, -ETIMEDOUT after `timeout_ms` milliseconds
 * (0: looks once; negative: never), the reason as a negative errno value as soon as the load stands paused because of a
 * failure (uffd_incoming_resume() goes on), -ECANCELED when it is aborted, -EIO when nothing is left to load and pages have
 * been poisoned (UFFD_INCOMING_POISON). A pause by uffd_incoming_pause() does not end it. -EINVAL when no snapshot is being
 * loaded.
 */
int uffd_incoming_wait(struct MigrationIncomingState *mis,
                       int timeout_ms);

/**
 * Serves the userfaultfd of another process that maps the same RAM (a vhost-user back end), from now on and in every
 * set-up, until it is removed. The struct is copied; the descriptor (which is made non-blocking) and the name stay the
 * caller's, and stay as they are until uffd_incoming_remove_shared_fd() or _detach() has returned. The RAM blocks it maps
 * must be shared memory. -EINVAL: no handler or no waker; -EBADF: not an open descriptor; -EEXIST: it is served already.
 */
int uffd_incoming_add_shared_fd(struct MigrationIncomingState *mis,
                                const struct UffdSharedFd *shared);

/**
 * Stops serving a shared descriptor, at any time: afterwards none of its callbacks runs, and it may be closed. Waits for
 * a running one, never for a pause. From within a callback it cannot wait: there, a callback on another thread may still
 * run, so close the descriptor later.
 */
int uffd_incoming_remove_shared_fd(struct MigrationIncomingState *mis,
                                   int fd);

/**
 * For the handler of a shared descriptor: its client touched, at its own address `client_addr`, the page that holds the
 * byte at `offset` of `rb`. Only notes it: a fault thread, so not during a pause, wakes the client if the page is in place,
 * and otherwise asks for it like any other; the `waker`s are called once it is placed. -EINVAL: `offset` is beyond the
 * block, or the mis is not armed.
 */
int uffd_incoming_request_shared_page(struct MigrationIncomingState *mis,
                                      int fd,
                                      struct RAMBlock *rb,
                                      uint64_t client_addr,
                                      uint64_t offset);

/**
 * Calls the waker of every shared descriptor for the page at `offset` of `rb`. Whoever places a page need not: every
 * placing does so by itself. Also while not armed. Returns the first failure of a waker, after all have been called.
 * -EINVAL: `offset` is beyond the block.
 */
int uffd_incoming_notify_shared_wake(struct MigrationIncomingState *mis,
                                     struct RAMBlock *rb,
                                     uint64_t offset);

/**
 * Wakes the client of a shared descriptor where it waits, at its own address `client_addr`, for a page of `rb`: for a
 * `waker`, and for who takes a client over. Also while not armed. Fails with what UFFDIO_WAKE said.
 */
int uffd_incoming_wake_shared(struct MigrationIncomingState *mis,
                              int fd,
                              struct RAMBlock *rb,
                              uint64_t client_addr);

/**
 * Opens a snapshot: a file of QEMU's mapped-ram migration (QEMU 9.0 or newer), or the description of a flat image. All
 * of its structure is read and checked; its pages are read when they are needed.
 *
 * errno: what opening or reading it said; EINVAL: it is neither of them, damaged, or no regular file or block device;
 * EOPNOTSUPP: it was taken with x-ignore-shared, and so has not all of the RAM.
 *
 * The description of a flat image is a text file: the line "uffd-incoming flat 1", the line "image PATH" (relative to
 * the description), then for each RAM block a line "block OFFSET LENGTH IDSTR", numbers in bytes, decimal or 0x hex,
 * multiples of 4096. HOLES IN THE IMAGE ARE ZEROS: a file that is sparse for another reason, such as a diff snapshot of
 * Firecracker, whose holes are the pages of an earlier snapshot, has to be merged with that first. The library cannot tell the
 * two apart.
 */
struct UffdSnapshot *uffd_snapshot_open(const char *path);

/**
 * Opens a mapped-ram snapshot from a descriptor, which is duplicated; `offset` is where the stream starts in the file
 * (QEMU's file:...,offset=N). One that was opened with O_DIRECT is opened once more without, by way of /proc: EINVAL where
 * that cannot be. errno as by uffd_snapshot_open(), and EBADF: not an open descriptor. When the snapshot is let go
 * of, the duplicate is closed, and so Linux drops the record locks (F_SETLK) that the process holds on the file.
 */
struct UffdSnapshot *uffd_snapshot_open_fd(int fd,
                                           uint64_t offset);

/**
 * Describes the RAM block with this index (0, 1, ...) in a snapshot. -ENOENT beyond the last one.
 */
int uffd_snapshot_block(struct UffdSnapshot *snap, size_t index, struct UffdSnapshotBlock *block);

/**
 * Closes a snapshot. A load under way keeps what it needs. NULL is fine.
 */
void uffd_snapshot_close(struct UffdSnapshot *snap);

/**
 * Restores RAM from a snapshot: empties every RAM block, arms the mis (as uffd_setup_incoming() does, with the snapshot
 * as the source of pages) and starts loading in the background. Returns before the RAM is loaded: from then on it may
 * be touched, and each page arrives when it is needed. `config` NULL stands for the defaults.
 *
 * Blocks are matched by name, and both sides must have the same ones with the same lengths: otherwise -EINVAL. Memory that
 * cannot be emptied gives -EINVAL, too: locked memory (mlock), or a private mapping of a file that holds data or is not open
 * in this process. So does RAM that is a mapping of the snapshot's own file: loading would destroy the snapshot. (With
 * UFFD_LOAD_KEEP_PRESENT, a block may map its own bytes of a flat image: they are present.) -EPERM: a memfd behind a block is
 * sealed (F_SEAL_FUTURE_WRITE) and cannot be emptied. -EOPNOTSUPP: emptying needs /proc/thread-self/maps; without /proc, use
 * UFFD_LOAD_KEEP_PRESENT and RAM that is empty. All of these come before anything is changed.
 *
 * A later failure is as complete as that of a set-up, but has emptied the RAM. Fails like uffd_setup_incoming(), with -EINVAL
 * for more than 64 loader threads, too, and with what creating a file beside `working_set_record` said. `page_handler` and
 * UFFD_INCOMING_PREEMPT are for postcopy, and play no part.
 *
 * Zeros take no memory where that can be: in shared RAM (memfd, tmpfs) and in hugetlbfs they stay holes. They count as received
 * when the load has begun (long runs), or has come to them; a thread or a client that touches one gets a page of zeros.
 *
 * Pin RAM for a device after the load (VFIO, vDPA, io_uring's fixed buffers), or use UFFD_LOAD_KEEP_PRESENT: emptying detaches
 * pages that are pinned, and the device goes on with those, unseen by the guest. The library cannot know: Linux does not tell
 * which pages are pinned. What uffd_setup_incoming() says about other mappings of the RAM holds here, too.
 *
 * A page that cannot be read pauses all (`event`, uffd_incoming_wait() say why) until uffd_incoming_resume(), or is poisoned
 * (UFFD_INCOMING_POISON): it is never taken for zeros. uffd_incoming_cleanup() is refused until every page is in place,
 * or poisoned.
 */
int uffd_incoming_load_snapshot(struct MigrationIncomingState *mis,
                                struct UffdSnapshot *snap,
                                const struct UffdLoadConfig *config);

/**
 * Reads the counters of the current set-up, or the last one: they survive cleanup until the next set-up or detach. The
 * counters are read one by one while others count on.
 */
int uffd_incoming_get_stats(struct MigrationIncomingState *mis,
                            struct UffdIncomingStats *stats);

/**
 * Reads how long the vCPUs waited, in the current set-up or the last one: it survives cleanup until the next set-up or
 * detach. Arrays get as many elements as both they and the vCPUs have. -EINVAL when no blocktime was asked for.
 */
int uffd_incoming_get_blocktime(struct MigrationIncomingState *mis,
                                struct UffdIncomingBlocktime *blocktime);

/**
 * Finds out what this host can do for this process, and what to do if it can't. Needs no mis. 0 also when no
 * userfaultfd can be had: `ways` is 0 then.
 */
int uffd_incoming_probe(struct UffdIncomingHost *host);

/**
 * This thread's last failure, in words: what failed, where, and what to do. Never NULL; empty when nothing failed yet.
 * Valid until the next failure on this thread.
 */
const char *uffd_incoming_error(void);

/**
 * The library's version, "MAJOR.MINOR.PATCH".
 */
const char *uffd_incoming_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* UFFD_INCOMING_H */
