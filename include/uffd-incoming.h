/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uffd-incoming.h - lazy RAM for virtual machine monitors: postcopy setup and fast snapshot load.
 *
 * A VMM registers its RAM blocks with the library. Each missing page of that RAM then arrives when a thread first touches it.
 * It comes through the VMM's page handler (postcopy), or from a snapshot file.
 *
 * Valid C11 and C++17. A program that declares MigrationIncomingState, RAMBlock or PostcopyPageHandler itself may include this
 * file after its own declarations. If it declares ram_addr_t, it defines UFFD_INCOMING_HAVE_RAM_ADDR_T first. If it
 * defines postcopy_ram_incoming_setup(), it defines UFFD_INCOMING_NO_POSTCOPY_SETUP first.
 *
 * Generated from the documented Rust sources by cbindgen. Do not edit: run `make header`.
 *
 * Terms:
 *  - A mis is the caller's handle for one incoming VM (MigrationIncomingState). uffd_incoming_attach() makes it known.
 *  - A setup arms a mis: the RAM is registered with userfaultfd, and faults are served. uffd_setup_incoming(),
 *    uffd_incoming_postcopy_setup(), also named postcopy_ram_incoming_setup(), and uffd_incoming_load_snapshot() are
 *    setups. Cleanup and abort undo a setup.
 *  - A page of armed RAM is missing until it is placed. A thread that touches a missing page waits for it.
 *  - A page is present if its mapping has content for it, however the content came there. Placing skips present pages.
 *  - A page is received once it has been placed, or marked received. It is not requested or loaded again.
 *  - A page is unreadable if the page handler fails for it, or if its part of the snapshot cannot be read.
 *  - While a mis is paused, faults queue, and the fault and loader threads wait.
 *  - A channel is a stream of pages into the caller. Each has a temporary page, to receive a page before it is placed.
 *
 * Conventions, unless a function says otherwise:
 *  - A function returns 0 or a negative errno value. One that returns a pointer returns NULL and sets errno.
 *    uffd_incoming_error() then describes what failed, where, and what to do. Outputs are written only on success.
 *    Lengths and offsets are in bytes.
 *  - A function may be called from any thread, and from every callback. The following wait for callbacks, so they fail with
 *    -EDEADLK within a callback of the same mis: uffd_setup_incoming(), uffd_incoming_postcopy_setup(),
 *    uffd_incoming_load_snapshot(), uffd_incoming_cleanup(), uffd_incoming_abort(), uffd_incoming_detach(),
 *    uffd_incoming_pause(), uffd_incoming_wait(), and, while armed, uffd_incoming_remove_ram_block() and
 *    uffd_incoming_drop_ram_block().
 *  - -EINVAL: a NULL handle or pointer, a misaligned struct, or an unknown flag.
 *  - -ENOENT: a mis, RAM block, snapshot or shared descriptor that the library does not know.
 *  - -ENOMEM: no memory. -ENOTRECOVERABLE: an error in the library itself; please report it.
 *  - Every struct but UffdSharedFd starts with `size`, which the caller sets to sizeof. A size below that of the first version
 *    is -EINVAL. An input struct may be larger than the library's: its additional bytes must be 0, and it may have at most
 *    4096 bytes, otherwise -E2BIG.
 *  - No function is a cancellation point. pthread_cancel() during a call, or during its callbacks, takes effect after the
 *    call has returned. A thread with PTHREAD_CANCEL_ASYNCHRONOUS must not call the library.
 *  - Paths may be any bytes. Names are UTF-8.
 *  - Linux 4.14 has what is needed, unless a description names a newer version. The tests have run on 5.10 and newer.
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
 * UffdIncomingConfig.flags: measure how long the vCPUs wait for pages. postcopy_ram_incoming_setup() and
 * uffd_incoming_load_snapshot() start the measurement; uffd_incoming_get_blocktime() reads it. `vcpu_index`
 * tells which thread runs which vCPU.
 */
#define UFFD_INCOMING_BLOCKTIME (1 << 0)

/**
 * UffdIncomingConfig.flags: postcopy_ram_incoming_setup() allocates a second channel, and starts a thread that
 * runs `preempt_run` for urgent pages.
 */
#define UFFD_INCOMING_PREEMPT (1 << 1)

/**
 * UffdIncomingConfig.flags: open a userfaultfd that serves faults in user mode only. It needs no privilege. An
 * access by the kernel, such as a read() into a missing page, then fails with EFAULT and does not wait.
 *
 * Do not set it with KVM: KVM_RUN fails with EFAULT when the guest touches a missing page. With KVM's
 * in-kernel interrupt controller, KVM retries endlessly, and KVM_RUN returns only when a signal arrives.
 *
 * Needs Linux 5.11.
 */
#define UFFD_INCOMING_USER_MODE_ONLY (1 << 2)

/**
 * UffdIncomingConfig.flags: track the VMM's discards while armed. A discard is madvise() with MADV_DONTNEED,
 * MADV_REMOVE or MADV_FREE, by a balloon for example. Discarded pages read as zeros from then on, and never as
 * the source's data, regardless of when the discard comes. This also holds for shared RAM, where MADV_DONTNEED
 * alone affects only pages that have not arrived. After MADV_FREE it holds for pages that had not arrived.
 * Other pages keep their content until they are written to, or until the kernel reclaims them; the kernel may
 * do so at any moment, and they then read as zeros.
 *
 * Without this flag, a discard that races with the placing of the same page can lose: the page then holds its
 * data.
 *
 * Any thread may discard, also in a page handler or another callback, with two exceptions: in `log`, and in
 * callbacks on the thread `uffd/events`, which reads the kernel's messages about discards. The discard returns
 * once a thread of the library has read its message. Neither a pause nor a running handler delays that.
 *
 * The page size of every block must be the kernel's page size for its memory: otherwise the setup fails with
 * -EINVAL. Each fault takes longer, since it passes through one more thread. fallocate(), and discards by
 * other processes, are not tracked.
 */
#define UFFD_INCOMING_TRACK_DISCARDS (1 << 3)

/**
 * UffdIncomingConfig.flags: poison an unreadable page of private anonymous RAM, instead of pausing. A thread
 * that touches a poisoned page, or already waits for it, gets SIGBUS at its address. A read() into a poisoned
 * page fails with EFAULT. Placing the page removes the poison; discarding the page makes it missing again.
 *
 * The library still pauses for pages of other RAM, on older kernels, and after failures of the host (no memory
 * for a page). -ENOMEM and -ENOSPC from a page handler count as failures of the host.
 *
 * When a KVM guest touches a poisoned page, the kernel sends SIGBUS to the vCPU's thread: si_code is
 * BUS_MCEERR_AR, and si_addr is the page's address in this process. KVM_RUN fails with EINTR, again and again
 * until the page is placed. If KVM emulates the access, KVM_RUN returns KVM_EXIT_MMIO instead, with the page's
 * guest-physical address. A VMM that uses KVM must handle both. An unhandled SIGBUS kills it. If SIGBUS is
 * blocked or ignored, KVM_RUN does not return until the page is placed or another signal arrives. docs/kvm.md
 * describes a handler.
 *
 * Needs Linux 6.6.
 */
#define UFFD_INCOMING_POISON (1 << 4)

/**
 * `event`: a pause begins. Faults queue until uffd_incoming_resume(). The fault and loader threads start
 * nothing new. Work that they have started may continue after this event; uffd_incoming_pause() waits for its
 * end. `error` is the reason: a negative errno value, or 0 for uffd_incoming_pause(). If something fails
 * during a pause by uffd_incoming_pause(), a second event gives the reason.
 */
#define UFFD_INCOMING_EVENT_PAUSED 1

/**
 * `event`: uffd_incoming_resume() is about to end a pause. Cleanup and abort end a pause without this event.
 * If threads pause and resume concurrently, their events may come in another order than the pauses;
 * UffdIncomingStats.paused has the current state.
 */
#define UFFD_INCOMING_EVENT_RESUMED 2

/**
 * `event`: the page handler failed, or a read of the snapshot did. `error` is the negative errno value. The
 * pages stay missing and are requested or read again after uffd_incoming_resume(), or they are poisoned
 * (UFFD_INCOMING_POISON).
 */
#define UFFD_INCOMING_EVENT_SOURCE_ERROR 3

/**
 * `event`: a snapshot load has placed every page. uffd_incoming_wait() may have returned before.
 */
#define UFFD_INCOMING_EVENT_COMPLETE 4

/**
 * `event`: a snapshot load has nothing left to load, but is not complete, because it has poisoned pages
 * (UFFD_INCOMING_POISON). `error` is -EIO. Cleanup is allowed, and poisoned pages stay poisoned after it. Once
 * all of them have been placed, the load is complete.
 */
#define UFFD_INCOMING_EVENT_POISONED 5

/**
 * `log`: something failed; the message says what and where.
 */
#define UFFD_INCOMING_LOG_ERROR 0

/**
 * `log`: something works worse than it could, but nothing is lost.
 */
#define UFFD_INCOMING_LOG_WARNING 1

/**
 * `log`: information.
 */
#define UFFD_INCOMING_LOG_INFO 2

/**
 * UffdIncomingHost.ways: /dev/userfaultfd can be opened (Linux 6.1). Its descriptors also serve faults by the
 * kernel.
 */
#define UFFD_INCOMING_HOST_DEVICE (1 << 0)

/**
 * UffdIncomingHost.ways: the userfaultfd system call is permitted. Its descriptors also serve faults by the
 * kernel.
 */
#define UFFD_INCOMING_HOST_SYSCALL (1 << 1)

/**
 * UffdIncomingHost.ways: the userfaultfd system call is permitted, for faults in user mode only.
 */
#define UFFD_INCOMING_HOST_USER_MODE_ONLY (1 << 2)

/**
 * UffdLoadConfig.flags: do not empty the RAM first. Pages that are present keep their content. Pages marked
 * received (uffd_incoming_mark_received()) are not loaded.
 */
#define UFFD_LOAD_KEEP_PRESENT (1 << 0)

/**
 * UffdLoadConfig.flags: start no background loader. Pages arrive on demand; only those of a replayed working
 * set are loaded ahead. With UFFD_LOAD_KEEP_PRESENT, present pages never fault, so the load completes only if
 * those pages are marked received.
 */
#define UFFD_LOAD_NO_BACKGROUND (1 << 1)

/**
 * UffdLoadConfig.flags: read data that is not in the page cache with O_DIRECT, in reads of at least 64 KiB. A
 * fault on a single page still reads through the page cache. From a disk this is faster for pages that the guest
 * touches in random order, and it takes no memory beside the RAM. But the next restore finds little in the page
 * cache.
 *
 * Data in the page cache is used if the kernel reports it: Linux 6.5 or newer, not on overlayfs, and only to a
 * process that owns the file or may write to it. Otherwise a warning (`log`) says that everything is read from
 * the disk. Data whose alignment the disk does not support is read through the page cache.
 *
 * uffd_incoming_load_snapshot() opens the file again, through /proc. It fails with open()'s error if this
 * process may not open the file, or if the file system has no direct reads; without /proc it fails with
 * -EOPNOTSUPP. In these cases nothing has changed. Cleanup and a failed load close that descriptor, and Linux
 * then drops the process's POSIX record locks on the file. Open file description locks stay.
 */
#define UFFD_LOAD_DIRECT_IO (1 << 2)

/**
 * UffdLoadConfig.flags: make no huge pages. Without this flag, a 2 MiB unit of private anonymous RAM is moved
 * into place as one huge page (UFFDIO_MOVE, Linux 6.8). That is faster than copying. The RAM must ask for huge
 * pages: with MADV_HUGEPAGE, or by "always" in /sys/kernel/mm/transparent_hugepage/enabled and no
 * MADV_NOHUGEPAGE. It must have no policy (mbind()) that names its NUMA nodes. In all other cases pages are
 * copied: with this flag, with UFFD_LOAD_KEEP_PRESENT, and if a condition does not hold or cannot be checked
 * (no /proc).
 *
 * Set this flag also on a kernel whose UFFDIO_MOVE is not trusted. For pages in swap space, Linux fixed
 * UFFDIO_MOVE in 2025.
 */
#define UFFD_LOAD_NO_HUGE_PAGES (1 << 3)

/**
 * UffdLoadConfig.flags: map the data of private anonymous RAM from the snapshot's file instead of copying it.
 * Pages that are only read are shared, through the page cache, with every process that maps the file. Zeros
 * stay anonymous memory. Nothing is scanned or moved. No userfaultfd serves such a block: it counts as loaded
 * once the call returns, or with a replayed working set once that is in memory. If all RAM is mapped, no userfaultfd
 * is opened, and no fault thread starts.
 *
 * THE FILE MUST NOT CHANGE as long as the RAM exists: a change is seen by the guest, and a page beyond the end
 * of a truncated file, or one that cannot be read, is SIGBUS to the thread that touches it. Keep the file
 * read-only and on a local disk. Memory that is discarded later (MADV_DONTNEED, a balloon) reads as the
 * snapshot's bytes again, not as zeros, and discards there are not tracked.
 *
 * A block is loaded as usual, and a warning (`log`) says why, if its memory is not private and anonymous, has a
 * NUMA policy that names nodes, a protection key, or an attribute that a new mapping cannot be given; if the
 * file holds it in pages that are not aligned to host pages, or in more runs than vm.max_map_count allows; or if
 * the file cannot be mapped. What was set with MADV_DONTDUMP, MADV_DONTFORK, MADV_MERGEABLE and MADV_HUGEPAGE
 * stays set. Such RAM cannot be armed again: a later load refuses it, with -EINVAL. Before that, map new memory in its
 * place, with mmap(MAP_FIXED | MAP_ANONYMOUS).
 *
 * With UFFD_LOAD_KEEP_PRESENT or UFFD_LOAD_DIRECT_IO it is -EINVAL.
 */
#define UFFD_LOAD_MAP_PRIVATE (1 << 4)

/**
 * UffdLoadConfig.flags: do not look for pages of zeros in the snapshot's data. Without this flag, such a page
 * is placed as zeros, which take no memory. Flat images contain many such pages. The scan of a page ends at
 * its first byte that is not zero.
 */
#define UFFD_LOAD_NO_ZERO_SCAN (1 << 5)

/**
 * UffdLoadConfig.flags: start no reader threads. A fault thread then waits for the disk itself, and other faults
 * wait for that, too.
 */
#define UFFD_LOAD_NO_READERS (1 << 6)

/**
 * The caller's state of one incoming migration or restore. The library uses only its address, as a handle, and
 * passes it to every callback. It may be QEMU's struct, or any struct of the caller's, cast to this type.
 */
typedef struct MigrationIncomingState MigrationIncomingState;

/**
 * The caller's RAM block. The library uses only its address, as a handle, and passes it to callbacks.
 */
typedef struct RAMBlock RAMBlock;

/**
 * An open snapshot: see uffd_snapshot_open().
 */
typedef struct UffdSnapshot UffdSnapshot;

/**
 * The caller's page handler. A fault thread calls it for each page that a thread waits for and that has not
 * been received. `offset` is the fault's offset into `rb`, rounded down to the block's page size.
 * `fault_address` is the host address of the fault, rounded down to the kernel's page size for that memory.
 *
 * The handler either places the page (uffd_incoming_place_page() and its variants), or requests it from the
 * source. A requested page may be placed later, by any thread. The handler may block for long, since no lock
 * is held during the call. It must not touch guest RAM that may be missing.
 *
 * Return 0 if the page has been placed or requested. Any other value reports a failure: a negative errno value
 * stands for itself, everything else for -EIO. If UFFD_INCOMING_POISON applies, the page is then poisoned.
 * Otherwise the fault and loader threads pause. After uffd_incoming_resume() the handler is called for the
 * page again, or at once if the resume came during the failed call.
 *
 * With one fault thread (the default), the calls for one mis never overlap. The handler may be called again
 * for a page that it has requested already, when another thread touches that page.
 */
typedef int (*PostcopyPageHandler)(struct MigrationIncomingState *mis,
                                   struct RAMBlock *rb,
                                   ram_addr_t offset,
                                   void *fault_address);

/**
 * Describes a mis, for uffd_incoming_attach() and uffd_incoming_configure(). The struct is copied. Every
 * callback may be NULL, and is passed the mis. The number 0 selects a default.
 *
 * A callback runs on a thread of the library, unless its description says otherwise. Such a thread:
 * - blocks all signals but SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS. Those are blocked or not as on
 *   the thread that sets up, so a crash handler of the VMM also runs here;
 * - has the default stack size of pthread_create(), which pthread_setattr_default_np() and RLIMIT_STACK
 *   change;
 * - inherits the CPU affinity and the scheduling policy of the thread that sets up. `thread_start` may change
 *   both.
 *
 * A fault thread may move between the CPUs of its affinity. If only one thread of this process faults, and it
 * is pinned, the fault thread moves to that thread's CPU. It does not follow a thread with a real-time or
 * deadline policy. It moves back after 10 ms without a fault.
 *
 * A callback must return: no longjmp(), C++ exception or pthread_exit() may leave it. pthread_cancel() has no
 * effect on threads of the library.
 */
typedef struct UffdIncomingConfig {
    /**
     * sizeof(UffdIncomingConfig).
     */
    size_t size;
    /**
     * UFFD_INCOMING_BLOCKTIME, _PREEMPT, _USER_MODE_ONLY, _TRACK_DISCARDS and _POISON, combined with OR. Any
     * other bit is -EINVAL.
     */
    uint64_t flags;
    /**
     * The page handler that postcopy_ram_incoming_setup() installs.
     */
    PostcopyPageHandler page_handler;
    /**
     * Adds the current RAM blocks with uffd_incoming_add_ram_block(). Every setup calls it on the caller's
     * thread, with an empty block table. These blocks are forgotten when the setup fails or is undone. Blocks
     * that were added before the setup are not used: a failed setup restores them, and a successful one
     * forgets them. If the callback returns a negative errno value, the setup fails with that value; any other
     * value but 0 makes it fail with -EIO. NULL: the setup uses the blocks that were added before.
     */
    int (*ram_blocks)(struct MigrationIncomingState *mis);
    /**
     * Called by every setup on the caller's thread, once everything exists and faults are served. The preempt
     * thread starts after it. Any value but 0 undoes the setup, which then fails as with `ram_blocks`.
     */
    int (*setup_done)(struct MigrationIncomingState *mis);
    /**
     * The body of the preempt thread. It returns when its work is done, or when `preempt_quit` asks it to.
     * Required with UFFD_INCOMING_PREEMPT.
     */
    void (*preempt_run)(struct MigrationIncomingState *mis);
    /**
     * Makes `preempt_run` return. Cleanup and abort call it on the caller's thread. Required with
     * UFFD_INCOMING_PREEMPT.
     */
    void (*preempt_quit)(struct MigrationIncomingState *mis);
    /**
     * Runs first on each thread of the library. `name` is the thread's name.
     */
    void (*thread_start)(struct MigrationIncomingState *mis, const char *name);
    /**
     * Runs last on each thread of the library.
     */
    void (*thread_stop)(struct MigrationIncomingState *mis, const char *name);
    /**
     * Returns which vCPU a thread runs: 0 to vcpus - 1, or any other number for none. `thread_id` is the
     * kernel's thread id. Called for each fault while blocktime is measured. NULL: no thread runs a vCPU. With
     * KVM's in-kernel interrupt controller (KVM_CREATE_IRQCHIP), a kernel worker thread waits for the page in
     * the vCPU's place: such a fault belongs to no vCPU.
     */
    int (*vcpu_index)(struct MigrationIncomingState *mis, uint32_t thread_id);
    /**
     * Returns a new userfaultfd of this process, from a privileged helper for example, or a negative errno
     * value. UFFDIO_API must not have been called on it. The library takes ownership of the descriptor. Every
     * setup calls this on the caller's thread, once for each fault thread. NULL: the library opens the
     * descriptors itself. With UFFD_INCOMING_TRACK_DISCARDS, the library always opens one more itself, for
     * user mode only, which needs no privilege.
     */
    int (*open_userfaultfd)(struct MigrationIncomingState *mis);
    /**
     * Reports UFFD_INCOMING_EVENT_*, for a main loop that cannot block in uffd_incoming_wait(). Runs on the
     * thread that causes the event, which may be one of the caller's.
     */
    void (*event)(struct MigrationIncomingState *mis, int what, int error);
    /**
     * Receives a message, without a newline. `level` is UFFD_INCOMING_LOG_*. Runs on the thread that logs,
     * which may be one of the caller's, within uffd_incoming_cleanup() or uffd_incoming_place_page() for
     * example. Failures on threads of the library are described here, and by uffd_incoming_wait();
     * uffd_incoming_error() describes failed calls of the caller. NULL: errors and warnings go
     * to stderr.
     */
    void (*log)(struct MigrationIncomingState *mis, int level, const char *message);
    /**
     * The number of vCPUs to measure blocktime for, at most 65536. 0 with UFFD_INCOMING_BLOCKTIME is -EINVAL.
     */
    uint32_t vcpus;
    /**
     * The number of fault threads. The RAM is striped over them. 0 and 1: one thread. At most 64.
     */
    uint32_t fault_threads;
    /**
     * The longest time, in microseconds, that a fault thread spins for the next fault before it sleeps. It
     * spins for less if that finds no faults. It does not spin if the fault and loader threads would then
     * occupy all CPUs. It does not spin on the CPU of a pinned thread that faults alone. The first fault
     * thread does not spin while it serves shared descriptors. 0: never. At most 1000.
     */
    uint32_t spin_us;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * Reports each fault of this process, for tracing and statistics, before its page is requested or placed.
     * A fault thread calls it. `offset` is the page's offset in `rb`, `address` the fault's address, rounded
     * down to the kernel's page size, and `thread_id` the kernel's id of the thread that waits. Faults of
     * clients go to `handler` of UffdSharedFd instead. `size` may exclude this field: it was added later.
     */
    void (*fault)(struct MigrationIncomingState *mis,
                  struct RAMBlock *rb,
                  ram_addr_t offset,
                  void *address,
                  uint32_t thread_id);
} UffdIncomingConfig;

/**
 * A RAM block, for uffd_incoming_add_ram_block(). The struct is copied.
 */
typedef struct UffdRamBlock {
    /**
     * sizeof(UffdRamBlock).
     */
    size_t size;
    /**
     * The block's name, 1 to 255 bytes of UTF-8. Messages use it, and snapshots identify the block by it.
     */
    const char *idstr;
    /**
     * The address of the block's mapping, aligned to page_size. The memory is private anonymous, shmem (memfd)
     * or hugetlbfs, mapped private or shared. It stays the caller's, and must stay mapped until the block is
     * removed. Before Linux 6.4, shmem with transparent huge pages needs MADV_NOHUGEPAGE while armed:
     * otherwise khugepaged may turn missing pages into zeros, unnoticed.
     */
    void *host;
    /**
     * The length in bytes: a multiple of page_size, not 0.
     */
    uint64_t length;
    /**
     * The size in which pages are requested and placed: a power of two, at least the host's page size. For
     * hugetlbfs it is the huge page size.
     */
    uint64_t page_size;
} UffdRamBlock;

/**
 * The userfaultfd of a client, which is another process that maps the same RAM, such as a vhost-user back end:
 * uffd_incoming_add_shared_fd(). This struct never changes. It has the layout of QEMU's PostCopyFD.
 */
typedef struct UffdSharedFd {
    /**
     * The descriptor, on which the client has called UFFDIO_API.
     */
    int fd;
    /**
     * For the caller's use.
     */
    void *data;
    /**
     * Called on a fault thread for each message (a `struct uffd_msg`) of the descriptor. It finds out which
     * page the client touched, and calls uffd_incoming_request_shared_page(). `shared` is the library's copy
     * of this struct. Any value but 0 reports a failure: the fault and loader threads pause, also with
     * UFFD_INCOMING_POISON. After uffd_incoming_resume() the handler is called with the same message again.
     * With one fault thread, the handler never runs concurrently with the page handler.
     */
    int (*handler)(struct UffdSharedFd *shared, void *uffd_msg);
    /**
     * Called for each page that has been placed, on the thread that placed it. It wakes the client with
     * uffd_incoming_wake_shared() if the client maps the page. Any value but 0 is logged.
     */
    int (*waker)(struct UffdSharedFd *shared, struct RAMBlock *rb, uint64_t offset);
    /**
     * The client's name in messages, or NULL.
     */
    const char *idstr;
} UffdSharedFd;

/**
 * A RAM block in a snapshot: uffd_snapshot_block().
 */
typedef struct UffdSnapshotBlock {
    /**
     * In: sizeof(UffdSnapshotBlock). At most that many bytes are written.
     */
    size_t size;
    /**
     * The block's name. Valid until the snapshot is closed.
     */
    const char *idstr;
    /**
     * The block's length in bytes.
     */
    uint64_t length;
    /**
     * The size of the pages in the file, which is the target page size of the saved machine.
     */
    uint64_t page_size;
    /**
     * How many bytes of the block the file holds. The rest is zeros.
     */
    uint64_t data_bytes;
} UffdSnapshotBlock;

/**
 * A run of data in a RAM block of a snapshot: uffd_snapshot_next_data().
 */
typedef struct UffdSnapshotRun {
    /**
     * In: sizeof(UffdSnapshotRun). At most that many bytes are written.
     */
    size_t size;
    /**
     * The offset of the run in the RAM block.
     */
    uint64_t offset;
    /**
     * The length of the run in bytes, never 0.
     */
    uint64_t length;
    /**
     * The offset of the run in the file; for a flat image, in the image.
     */
    uint64_t file_offset;
} UffdSnapshotRun;

/**
 * How to load a snapshot: uffd_incoming_load_snapshot().
 */
typedef struct UffdLoadConfig {
    /**
     * sizeof(UffdLoadConfig).
     */
    size_t size;
    /**
     * UFFD_LOAD_KEEP_PRESENT, UFFD_LOAD_NO_BACKGROUND, UFFD_LOAD_DIRECT_IO, UFFD_LOAD_NO_HUGE_PAGES,
     * UFFD_LOAD_MAP_PRIVATE, UFFD_LOAD_NO_ZERO_SCAN and UFFD_LOAD_NO_READERS, combined with OR. Any other bit is -EINVAL.
     */
    uint64_t flags;
    /**
     * The number of threads that load in the background. 0: one, or two with UFFD_LOAD_DIRECT_IO, of which one waits for
     * the disk while the other places. At most 64. Each loader, fault and reader
     * thread has buffers of up to 10 MiB, or more if host pages exceed 2 MiB. Cleanup frees them.
     */
    uint32_t loader_threads;
    /**
     * The number of temporary pages to allocate for the caller. 0: one.
     */
    uint32_t channels;
    /**
     * The path of a file to record the working set in, or NULL. The file lists the pages that were faulted on,
     * in order; of blocks that are mapped (UFFD_LOAD_MAP_PRIVATE) those that this process had mapped until then,
     * in the order of addresses. Cleanup or abort writes it, and replaces an existing file; a failure to do so is logged.
     * Symbolic links are followed and kept. Replayed pages come first in the record, so record and replay may
     * name the same file. A relative path is resolved in the working directory of the call of
     * uffd_incoming_load_snapshot().
     *
     * The load fails with -EINVAL and changes nothing if the path names a file of the snapshot, or anything
     * but a regular file. If no file can be created there, it fails with the error of that.
     */
    const char *working_set_record;
    /**
     * The path of a working set that an earlier restore of the same snapshot recorded, or NULL. Its pages are
     * loaded first. uffd_incoming_load_snapshot() opens the file, and a loader thread reads it. A file that
     * cannot be opened, is damaged, or belongs to another snapshot is logged and ignored.
     */
    const char *working_set_replay;
    /**
     * The number of reader threads. While a thread waits for a page that is not in the page cache, another one
     * serves the next faults; so the disk works on as many faults at once as there are reader threads. They are
     * divided among the fault threads, each of which has one at least. 0: four. At most 64. `size` may exclude
     * this field: it was added later.
     */
    uint32_t reader_threads;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} UffdLoadConfig;

/**
 * Counters of the current setup, or of the last one: uffd_incoming_get_stats().
 */
typedef struct UffdIncomingStats {
    /**
     * In: sizeof(UffdIncomingStats). At most that many bytes are written.
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
     * Pages placed as zeros, including pages that the guest had discarded.
     */
    uint64_t zero_pages_placed;
    /**
     * Pages that the page handler was called for.
     */
    uint64_t pages_requested;
    /**
     * Failed calls of the page handler, and failed reads of the snapshot.
     */
    uint64_t source_errors;
    /**
     * Pages that have been poisoned (UFFD_INCOMING_POISON). Placing a poisoned page later does not lower the
     * count.
     */
    uint64_t pages_poisoned;
    /**
     * Bytes of RAM that a snapshot load has to place. 0 without a load.
     */
    uint64_t bytes_total;
    /**
     * The part of bytes_total that has been placed.
     */
    uint64_t bytes_loaded;
    /**
     * The sum of all fault latencies in nanoseconds. A latency is the time from reading a fault to placing its
     * page.
     */
    uint64_t fault_latency_ns_sum;
    /**
     * A histogram of the fault latencies. Bucket 0 counts those below 1 us. Bucket i counts those from 2^(i-1)
     * us to below 2^i us. The last bucket has no upper end.
     */
    uint64_t fault_latency_buckets[24];
    /**
     * The number of fault threads now; 0 when not armed.
     */
    uint32_t fault_threads;
    /**
     * 1 while paused.
     */
    uint32_t paused;
    /**
     * 1 after a snapshot load has placed every page.
     */
    uint32_t complete;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Bytes of RAM that are a mapping of the snapshot's file (UFFD_LOAD_MAP_PRIVATE). `size` may exclude this
     * field: it was added later.
     */
    uint64_t bytes_mapped;
    /**
     * Bytes of the snapshot's data that were found to be pages of zeros, and were placed as such (see
     * UFFD_LOAD_NO_ZERO_SCAN). `size` may exclude this field and those after it.
     */
    uint64_t bytes_of_zeros;
    /**
     * Bytes placed by moving pages (UFFDIO_MOVE), without a copy.
     */
    uint64_t bytes_moved;
    /**
     * The longest time, in nanoseconds, that any thread has been waiting for a page so far. 0 if no thread
     * waits. See uffd_incoming_dump().
     */
    uint64_t oldest_wait_ns;
    /**
     * The number of threads that wait for a page now. vCPUs whose blocktime is measured are all counted; of
     * other threads, at most 256. A thread counts once its fault has been read: while a page handler blocks and no
     * other fault thread is free, those that fault later are not seen.
     */
    uint64_t threads_waiting;
    /**
     * Bytes of the snapshot that were read from the page cache, without waiting. Zeros between them count, too, and what
     * is read twice counts twice. Mapped RAM (UFFD_LOAD_MAP_PRIVATE) is not read.
     */
    uint64_t bytes_read_cached;
    /**
     * Bytes of the snapshot that were read by calls that may wait for the disk. On tmpfs, FUSE and older kernels,
     * they may have come from the page cache, too.
     */
    uint64_t bytes_read_waiting;
    /**
     * The part of bytes_read_cached and bytes_read_waiting that fault threads have read. Loader threads have read the
     * rest, in the background.
     */
    uint64_t bytes_read_on_demand;
} UffdIncomingStats;

/**
 * The progress of one RAM block: uffd_incoming_get_block_stats(). All counts are of now; they are 0 before a setup
 * and after cleanup.
 */
typedef struct UffdIncomingBlockStats {
    /**
     * In: sizeof(UffdIncomingBlockStats). At most that many bytes are written.
     */
    size_t size;
    /**
     * The block's length in bytes.
     */
    uint64_t length;
    /**
     * The block's page size.
     */
    uint64_t page_size;
    /**
     * How many of its bytes have been placed, marked received, or discarded while discards are tracked.
     */
    uint64_t bytes_received;
    /**
     * Pages that the page handler was asked for, or a read of the snapshot began for, and that have not been placed.
     */
    uint64_t pages_requested;
    /**
     * Pages that were poisoned in this setup and have not been placed since.
     */
    uint64_t pages_poisoned;
    /**
     * How many threads wait for a page of this block. Counted as UffdIncomingStats.threads_waiting is.
     */
    uint64_t threads_waiting;
    /**
     * The longest time, in nanoseconds, that one of these threads has been waiting so far. 0 if none waits.
     */
    uint64_t oldest_wait_ns;
} UffdIncomingBlockStats;

/**
 * How long the vCPUs waited for pages: uffd_incoming_get_blocktime(). A wait counts once it has ended.
 */
typedef struct UffdIncomingBlocktime {
    /**
     * In: sizeof(UffdIncomingBlocktime).
     */
    size_t size;
    /**
     * Nanoseconds during which all vCPUs waited at the same time.
     */
    uint64_t total_ns;
    /**
     * Faults of vCPUs whose page has been placed.
     */
    uint64_t faults_vcpu;
    /**
     * Faults of other threads whose page has been placed.
     */
    uint64_t faults_other;
    /**
     * Mean latency of the faults of vCPUs, in nanoseconds.
     */
    uint64_t latency_ns_vcpu;
    /**
     * Mean latency of the faults of other threads, in nanoseconds.
     */
    uint64_t latency_ns_other;
    /**
     * In: the number of elements of each array. Out: the number of vCPUs measured.
     */
    uint32_t vcpus;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * An array of the caller's, or NULL: nanoseconds that each vCPU waited.
     */
    uint64_t *vcpu_ns;
    /**
     * An array of the caller's, or NULL: the number of faults of each vCPU.
     */
    uint64_t *vcpu_faults;
    /**
     * An array of the caller's, or NULL: mean latency of the faults of each vCPU, in nanoseconds.
     */
    uint64_t *vcpu_latency_ns;
} UffdIncomingBlocktime;

/**
 * What this host supports for this process: uffd_incoming_probe().
 */
typedef struct UffdIncomingHost {
    /**
     * In: sizeof(UffdIncomingHost). At most that many bytes are written.
     */
    size_t size;
    /**
     * The available ways to open a userfaultfd: UFFD_INCOMING_HOST_*. 0: none.
     */
    uint64_t ways;
    /**
     * The kernel's UFFD_FEATURE_* bits, see linux/userfaultfd.h. 0 if `ways` is 0.
     */
    uint64_t features;
    /**
     * The host's page size in bytes.
     */
    uint32_t page_size;
    /**
     * Why /dev/userfaultfd cannot be opened: a negative errno value. 0 if it can.
     */
    int32_t device_error;
    /**
     * Why the system call is not permitted for all faults: a negative errno value. 0 if it is.
     */
    int32_t syscall_error;
    /**
     * Why the system call is not permitted even for user mode only: a negative errno value. 0 if it is.
     */
    int32_t user_mode_error;
    /**
     * How to make an unavailable way available, in words. Empty if there is nothing to do.
     */
    char advice[512];
} UffdIncomingHost;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a mis known to the library and describes it. A NULL `config` selects the defaults: no callbacks, one
 * fault thread, messages on stderr.
 *
 * Errors:
 * - -EBUSY: the mis is attached already.
 */
int uffd_incoming_attach(struct MigrationIncomingState *mis, const struct UffdIncomingConfig *config);

/**
 * Replaces the whole description of a mis. The RAM blocks stay. A NULL `config` selects the defaults.
 *
 * Errors:
 * - -EBUSY: the mis is armed, or another thread is setting it up or cleaning it up.
 */
int uffd_incoming_configure(struct MigrationIncomingState *mis, const struct UffdIncomingConfig *config);

/**
 * Adds a RAM block under the handle `rb`. May be called while the mis is not armed, and from the `ram_blocks`
 * callback.
 *
 * Errors:
 * - -EEXIST: `rb` or the name is taken.
 * - -EINVAL: the block is misaligned, empty, or overlaps another one.
 * - -EBUSY: the mis is armed, or another thread is setting it up or cleaning it up.
 */
int uffd_incoming_add_ram_block(struct MigrationIncomingState *mis,
                                struct RAMBlock *rb,
                                const struct UffdRamBlock *block);

/**
 * Removes a RAM block, also while armed. Its range is then unregistered: missing pages in it read as zeros,
 * and threads that wait for them continue. Waits for a running page handler. After the return, no callback is
 * passed `rb`.
 *
 * Errors:
 * - -EBUSY: a snapshot load is incomplete (see uffd_incoming_drop_ram_block()), or another thread is setting
 *   the mis up or cleaning it up.
 */
int uffd_incoming_remove_ram_block(struct MigrationIncomingState *mis, struct RAMBlock *rb);

/**
 * Removes a RAM block whose memory goes away for good, such as unplugged RAM, or the ROM of a removed device.
 * Does what uffd_incoming_remove_ram_block() does, but also while a snapshot load is incomplete. The load
 * continues with the other blocks; the bytes of this block count as loaded.
 *
 * Call it before the memory is unmapped: a load pauses at pages that are no longer mapped (-ENOENT). Waits for
 * a running page handler, and for reads of the snapshot for this block.
 *
 * Errors:
 * - -EBUSY: another thread is setting the mis up or cleaning it up.
 */
int uffd_incoming_drop_ram_block(struct MigrationIncomingState *mis,
                                 struct RAMBlock *rb);

/**
 * Arms a mis. The call does the following:
 * - opens a userfaultfd for each fault thread, and calls UFFDIO_API on it;
 * - creates an eventfd and registers a page for each fault thread, to wake it by;
 * - installs `handler`;
 * - allocates `channels` temporary pages, each of the largest block page size, and one zero page;
 * - starts the fault threads, and for each of them a thread that wakes it;
 * - registers every RAM block for missing pages. It never discards: present pages stay.
 *
 * The caller must guarantee the following, since the kernel does not report violations to the library:
 * - Missing pages of shared RAM are accessed only through the mappings of RAM blocks and of clients
 *   (uffd_incoming_add_shared_fd()). An access through another mapping of the memfd, or read() or write() on
 *   its descriptor, makes a permanent page of zeros, which counts as present.
 * - A child of fork() does not touch the RAM. In the child, missing private pages read as zeros; missing
 *   shared pages that it touches also become zeros for the parent. Set MADV_DONTFORK on the RAM first, as QEMU
 *   does: the child then has no mapping of it.
 * - RAM that asks for huge pages has MADV_NOHUGEPAGE from the time that its pages are discarded until it is
 *   armed, as in QEMU. Otherwise khugepaged may turn missing pages into present zeros. A snapshot load that
 *   empties the RAM needs no such care: it empties the RAM while it is armed.
 *
 * Returns 0 once every thread that it starts is running, and `thread_start` has returned on each. After a
 * failure no descriptor, thread, mapping or registration is left, and the caller may try again.
 *
 * Errors:
 * - -EINVAL: no handler, no channel, no RAM block, or RAM that userfaultfd cannot serve (such as a file on a
 *   disk).
 * - -EPERM: userfaultfd is not permitted, or the RAM is not writable.
 * - -ENOSYS: this kernel has no userfaultfd.
 * - -EBUSY: the mis is armed, another thread is setting it up or cleaning it up, or another userfaultfd has
 *   registered the RAM.
 * - Also: what `ram_blocks`, `open_userfaultfd` or `setup_done` returned, and any error of the system calls.
 */
int uffd_setup_incoming(struct MigrationIncomingState *mis,
                        PostcopyPageHandler handler,
                        unsigned int channels);

/**
 * Arms a mis for postcopy. Starts to measure blocktime (with UFFD_INCOMING_BLOCKTIME), and calls
 * uffd_setup_incoming() with the configured `page_handler` and one channel. With UFFD_INCOMING_PREEMPT there
 * are two channels, and the preempt thread starts last. Fails as uffd_setup_incoming() does, and leaves
 * nothing behind.
 */
int uffd_incoming_postcopy_setup(struct MigrationIncomingState *mis);

#if !defined(UFFD_INCOMING_NO_POSTCOPY_SETUP)
/**
 * uffd_incoming_postcopy_setup() under QEMU's name. A program that defines a function of this name itself must
 * define UFFD_INCOMING_NO_POSTCOPY_SETUP before it includes this file. Its own function then takes precedence,
 * with the shared and with the static library.
 */
int postcopy_ram_incoming_setup(struct MigrationIncomingState *mis);
#endif

/**
 * Undoes a setup. Ends a pause, ends and joins the threads, unregisters the RAM, and closes every descriptor.
 *
 * With UFFD_INCOMING_PREEMPT, it first waits for the requested pages to arrive, without a time limit. That
 * wait ends early when `preempt_run` returns or a pause begins, so uffd_incoming_pause() or
 * uffd_incoming_abort() on another thread ends it. Cleanup also waits for running callbacks (unblock your page
 * handler first) and, to record a working set, for some reads of the snapshot. If another thread is already
 * cleaning up, the call waits for it to finish.
 *
 * After a postcopy, the caller must know that every page has been placed: a missing page that no thread waits
 * for reads as zeros.
 *
 * Also returns 0 if the mis is not armed.
 *
 * Errors:
 * - -EBUSY: a snapshot load is incomplete, a page that the handler was asked for has not been placed, or
 *   another thread is setting the mis up. Nothing has changed. Closing would turn the missing pages into
 *   zeros: see uffd_incoming_abort().
 */
int uffd_incoming_cleanup(struct MigrationIncomingState *mis);

/**
 * Undoes a setup even if pages are missing: RAM THAT HAS NOT BEEN LOADED READS AS ZEROS AFTERWARDS. Use it for
 * a VM that will not continue to run.
 *
 * Waits only for running callbacks and, during a load, for reads of the snapshot. Such a read ends when the
 * storage answers or fails. Ends the wait for urgent pages of a cleanup on another thread. Threads in
 * uffd_incoming_wait() return -ECANCELED at once.
 *
 * Also returns 0 if the mis is not armed.
 *
 * Errors:
 * - -EBUSY: another thread is setting the mis up.
 */
int uffd_incoming_abort(struct MigrationIncomingState *mis);

/**
 * Makes the library forget a mis, with its RAM blocks, shared descriptors and statistics.
 *
 * Errors:
 * - -EBUSY: the mis is armed, or another thread is setting it up or cleaning it up.
 */
int uffd_incoming_detach(struct MigrationIncomingState *mis);

/**
 * Places one page of `rb` at the host address `host` with the bytes at `from`, and wakes the threads that wait
 * for it. The page has the block's page size. A page that is present keeps its content, and the call succeeds.
 * May be called during a pause. Calls the wakers of shared descriptors on this thread, and `event` if this
 * page completes a load.
 *
 * `host` must be aligned to the page size. `from` may be a temporary page. It must not be guest RAM that may
 * be missing, since the kernel would wait for that.
 *
 * On failure the page is still missing:
 * - -EINVAL: `host` is misaligned or outside the block, or the mis is not armed.
 * - -ENOENT: the memory is no longer mapped, or the block is unknown.
 * - -EFAULT: `from` cannot be read.
 * - -ENOMEM, -ENOSPC: the host has no memory for the page. Nothing pauses; place the page again later.
 * - Also: any other error of the system call.
 */
int uffd_incoming_place_page(struct MigrationIncomingState *mis,
                             struct RAMBlock *rb,
                             void *host,
                             const void *from);

/**
 * Places one page of zeros, otherwise like uffd_incoming_place_page().
 */
int uffd_incoming_place_zero_page(struct MigrationIncomingState *mis, struct RAMBlock *rb, void *host);

/**
 * Places `length` bytes like uffd_incoming_place_page(), with as few system calls as possible. `length` must
 * be a multiple of the block's page size, and not 0. Present pages in the range keep their content. After a
 * failure, all pages before the failed one have been placed.
 */
int uffd_incoming_place_range(struct MigrationIncomingState *mis,
                              struct RAMBlock *rb,
                              void *host,
                              const void *from,
                              size_t length);

/**
 * Returns the temporary page of a channel (0 to channels - 1). It is a buffer for one page of the largest
 * block page size, to receive data before placing it. The library owns it, and frees it in cleanup or abort.
 * NULL if the mis is not armed, or if there is no such channel.
 */
void *uffd_incoming_temp_page(struct MigrationIncomingState *mis, unsigned int channel);

/**
 * Tells whether the page at `offset` has been placed or marked received. Returns 1 or 0, or a negative errno
 * value. `offset` may point to any byte of the page.
 *
 * Errors:
 * - -EINVAL: `offset` is beyond the block.
 */
int uffd_incoming_page_received(struct MigrationIncomingState *mis, struct RAMBlock *rb, ram_addr_t offset);

/**
 * Marks pages received that are in place by other means, for example from precopy. Threads that wait for one
 * of these pages continue. A fault on one of them gets a zero page and never reaches the page handler. May be
 * called before the setup, in `ram_blocks` for example, and while armed. Cleanup forgets the marks.
 *
 * `offset` and `length` must be multiples of the block's page size, and `length` must not be 0.
 */
int uffd_incoming_mark_received(struct MigrationIncomingState *mis,
                                struct RAMBlock *rb,
                                ram_addr_t offset,
                                size_t length);

/**
 * Pauses the fault and loader threads. Faults queue. Returns 0 once no page handler runs and no read of the
 * snapshot is in progress, or once another thread has resumed. Also returns 0 if already paused.
 *
 * Errors:
 * - -EINVAL: the mis is not armed.
 */
int uffd_incoming_pause(struct MigrationIncomingState *mis);

/**
 * Ends a pause, whether uffd_incoming_pause() or a failure began it. Failed requests and reads are repeated.
 * Also returns 0 if not paused: if a handler call that is running at this moment fails, it is then repeated at
 * once.
 *
 * Errors:
 * - -EINVAL: the mis is not armed.
 */
int uffd_incoming_resume(struct MigrationIncomingState *mis);

/**
 * Wakes the fault threads, which then look for work. Harmless at any time.
 *
 * Errors:
 * - -EINVAL: the mis is not armed.
 */
int uffd_incoming_notify(struct MigrationIncomingState *mis);

/**
 * Calls `each` for every page that the page handler was asked for and that has not been placed, on this
 * thread. These are the pages to request again after a lost connection. `opaque` is passed on. A value other
 * than 0 from `each` ends the iteration and is returned.
 *
 * The list is made before the first call, so a block that is removed meanwhile may still be in it. Pause first
 * to get a list that stays valid.
 *
 * Errors:
 * - -EINVAL: the mis is not armed.
 */
int uffd_incoming_foreach_requested(struct MigrationIncomingState *mis,
                                    int (*each)(struct MigrationIncomingState *mis,
                                                struct RAMBlock *rb,
                                                ram_addr_t offset,
                                                void *opaque),
                                    void *opaque);

/**
 * Waits until a snapshot load has placed every page. `timeout_ms` is in milliseconds. 0: do not block;
 * negative: no timeout. A pause by uffd_incoming_pause() does not end the wait.
 *
 * Returns 0 when every page is in place, or:
 * - -ETIMEDOUT: the timeout has expired.
 * - -ECANCELED: the load was aborted.
 * - -EIO: nothing is left to load, but pages have been poisoned (UFFD_INCOMING_POISON).
 * - -EINVAL: no snapshot is being loaded.
 * - Also: the reason of a pause after a failure, as soon as that pause begins. uffd_incoming_resume()
 *   continues the load.
 */
int uffd_incoming_wait(struct MigrationIncomingState *mis, int timeout_ms);

/**
 * Serves the userfaultfd of a client, from now on and in every setup, until it is removed. A client is another
 * process that maps the same RAM, such as a vhost-user back end. The struct is copied, and the descriptor
 * becomes non-blocking.
 *
 * The caller keeps the descriptor and the name, and must not close or change them until
 * uffd_incoming_remove_shared_fd() or uffd_incoming_detach() has returned. The RAM blocks that the client maps
 * must be shared memory.
 *
 * Errors:
 * - -EINVAL: no handler or no waker.
 * - -EBADF: the descriptor is not open.
 * - -EEXIST: the descriptor is served already.
 */
int uffd_incoming_add_shared_fd(struct MigrationIncomingState *mis,
                                const struct UffdSharedFd *shared);

/**
 * Stops serving a shared descriptor, at any time. Waits for its running callbacks, never for a pause. After
 * the return none of its callbacks runs, and the caller may close it.
 *
 * Within a callback this function does not wait: a callback may still run on another thread, so close the
 * descriptor later.
 */
int uffd_incoming_remove_shared_fd(struct MigrationIncomingState *mis, int fd);

/**
 * For the handler of a shared descriptor: tells the library that the client touched, at its own address
 * `client_addr`, the page at `offset` of `rb`. `offset` may point to any byte of the page. The call only
 * queues the request. A fault thread then wakes the client if the page is in place, and requests the page like
 * any other if it is not. Once the page is placed, the wakers are called. During a pause the request stays
 * queued.
 *
 * Errors:
 * - -EINVAL: `offset` is beyond the block, or the mis is not armed.
 */
int uffd_incoming_request_shared_page(struct MigrationIncomingState *mis,
                                      int fd,
                                      struct RAMBlock *rb,
                                      uint64_t client_addr,
                                      uint64_t offset);

/**
 * Calls the waker of every shared descriptor for the page at `offset` of `rb`. Code that places pages need not
 * call it, since each placing function does so. May be called while not armed.
 *
 * Returns 0, or the first failure of a waker, after all wakers have been called.
 *
 * Errors:
 * - -EINVAL: `offset` is beyond the block.
 */
int uffd_incoming_notify_shared_wake(struct MigrationIncomingState *mis,
                                     struct RAMBlock *rb,
                                     uint64_t offset);

/**
 * Wakes the client of a shared descriptor that waits, at its own address `client_addr`, for a page of `rb`. It
 * is for wakers, and for a VMM that takes over a client. May be called while not armed. Fails with the error
 * of UFFDIO_WAKE.
 */
int uffd_incoming_wake_shared(struct MigrationIncomingState *mis,
                              int fd,
                              struct RAMBlock *rb,
                              uint64_t client_addr);

/**
 * Opens a snapshot: a file of QEMU's mapped-ram migration (QEMU 9.0 or newer), or the description of a flat
 * image. Reads and checks all of its structure. Its pages are read when they are needed.
 *
 * The description of a flat image is a text file: the line "uffd-incoming flat 1", the line "image PATH"
 * (relative to the description), then for each RAM block a line "block OFFSET LENGTH IDSTR". OFFSET and LENGTH
 * are in bytes, decimal or 0x hex, and multiples of 4096. HOLES IN THE IMAGE ARE ZEROS. A diff snapshot of
 * Firecracker is also a sparse file, but its holes are pages of an earlier snapshot: merge the two first. The
 * library cannot tell such a file from a flat image.
 *
 * errno on failure:
 * - EINVAL: the file is neither of the two, is damaged, or is not a regular file or block device.
 * - EOPNOTSUPP: it was taken with x-ignore-shared, so it lacks part of the RAM.
 * - Also: any error of opening or reading it.
 */
struct UffdSnapshot *uffd_snapshot_open(const char *path);

/**
 * Opens a mapped-ram snapshot from a descriptor, which is duplicated. `offset` is where the stream starts in
 * the file (QEMU's file:...,offset=N). If the descriptor was opened with O_DIRECT, the file is opened again
 * without it, through /proc.
 *
 * The duplicate is closed once the snapshot is closed and no load uses it any more. Linux then drops the
 * record locks (F_SETLK) that this process holds on the file.
 *
 * errno on failure is that of uffd_snapshot_open(), or:
 * - EBADF: the descriptor is not open.
 * - EINVAL: a descriptor with O_DIRECT, whose file cannot be opened again.
 */
struct UffdSnapshot *uffd_snapshot_open_fd(int fd, uint64_t offset);

/**
 * Describes a RAM block of a snapshot; `index` counts from 0.
 *
 * Errors:
 * - -ENOENT: there are not that many RAM blocks.
 */
int uffd_snapshot_block(struct UffdSnapshot *snap, size_t index, struct UffdSnapshotBlock *block);

/**
 * Finds the next run of data in a RAM block, from `offset` on; `index` counts from 0. A run is a range of bytes that
 * the file holds. All bytes between runs are zeros. If `offset` lies in a run, returns the rest of that run. Reads no
 * pages.
 *
 * Errors:
 * - -ENOENT: there are not that many RAM blocks.
 * - -ENXIO: only zeros follow, or `offset` is at the block's end or beyond.
 */
int uffd_snapshot_next_data(struct UffdSnapshot *snap,
                            size_t index,
                            uint64_t offset,
                            struct UffdSnapshotRun *run);

/**
 * Reads `length` bytes of a RAM block into `to`, from `offset` on; `index` counts from 0. Zeros are written, too. Reads
 * all bytes, or fails. Needs neither userfaultfd nor a mis: a VMM that may not use userfaultfd on this host can read
 * its RAM before the guest runs.
 *
 * The caller must guarantee that no other thread uses the memory at `to` during the call, and that it is not armed
 * RAM. After an error, the contents of `to` are unspecified.
 *
 * Errors:
 * - -ENOENT: there are not that many RAM blocks.
 * - -EINVAL: not all of the bytes are inside of the block; or `to` is NULL.
 * - -EIO: the file was truncated after it was opened, and data is missing.
 * - Also: any error of reading the file.
 */
int uffd_snapshot_read(struct UffdSnapshot *snap,
                       size_t index,
                       uint64_t offset,
                       void *to,
                       size_t length);

/**
 * Closes a snapshot. A load in progress keeps what it needs. NULL is allowed.
 */
void uffd_snapshot_close(struct UffdSnapshot *snap);

/**
 * Restores RAM from a snapshot. Empties every RAM block, arms the mis as uffd_setup_incoming() does, with the
 * snapshot as the source of pages, and starts to load in the background. Returns before the RAM is loaded:
 * from then on threads may touch the RAM, and each page arrives when it is needed. A NULL `config` selects the
 * defaults. `page_handler` and UFFD_INCOMING_PREEMPT are for postcopy and are ignored.
 *
 * Blocks are matched by name. Zeros take no memory if possible: in shared RAM (memfd, tmpfs) and in hugetlbfs
 * they stay holes. A thread or a client that touches one gets a page of zeros. Long runs of zeros count as
 * received when the load begins, others when the load reaches them.
 *
 * An unreadable page pauses the fault and loader threads until uffd_incoming_resume(); `event` and
 * uffd_incoming_wait() report the reason. With UFFD_INCOMING_POISON it is poisoned. It never becomes zeros.
 * uffd_incoming_cleanup() is refused until every page is in place or poisoned.
 *
 * The caller must guarantee what uffd_setup_incoming() says about other accesses to the RAM. No device may
 * have pinned the RAM (VFIO, vDPA, io_uring's registered buffers): emptying detaches pinned pages, and the
 * device would continue to use those. Pin the RAM after the load, or use UFFD_LOAD_KEEP_PRESENT. Linux does
 * not report which pages are pinned.
 *
 * These failures come before anything has changed:
 * - -EINVAL: flags that exclude each other (UFFD_LOAD_MAP_PRIVATE).
 * - -EINVAL: the snapshot and the mis differ in the names or lengths of their blocks; or more than 64 loader
 *   threads.
 * - -EINVAL: RAM that cannot be emptied: locked memory (mlock), or a private mapping of a file that holds data
 *   or is not open in this process.
 * - -EINVAL: RAM that maps the snapshot's own file, since loading would destroy the snapshot. With
 *   UFFD_LOAD_KEEP_PRESENT, a block may map its own bytes of a flat image: they are present.
 * - -EPERM: the memfd of a block is sealed (F_SEAL_FUTURE_WRITE) and cannot be emptied.
 * - -EOPNOTSUPP: emptying needs /proc/thread-self/maps. Without /proc, use UFFD_LOAD_KEEP_PRESENT and RAM that
 *   is empty.
 *
 * Other errors are those of uffd_setup_incoming(), and of creating a file beside `working_set_record`. They
 * also leave nothing behind, but the RAM may have been emptied.
 */
int uffd_incoming_load_snapshot(struct MigrationIncomingState *mis,
                                struct UffdSnapshot *snap,
                                const struct UffdLoadConfig *config);

/**
 * Reads the counters of the current setup, or of the last one. They survive cleanup until the next setup or
 * detach. The counters are read one by one, and may change in between.
 */
int uffd_incoming_get_stats(struct MigrationIncomingState *mis, struct UffdIncomingStats *stats);

/**
 * Reads the progress of one RAM block, and how many threads wait for its pages. The fields are read one by one, and
 * may change in between. Takes time in proportion to the block's length: up to 1 ms for 64 GiB in pages of 4 KiB.
 *
 * Errors:
 * - -ENOENT: `rb` was not added.
 */
int uffd_incoming_get_block_stats(struct MigrationIncomingState *mis,
                                  struct RAMBlock *rb,
                                  struct UffdIncomingBlockStats *stats);

/**
 * Reads how long the vCPUs waited in the current setup, or in the last one. The values survive cleanup until
 * the next setup or detach. An array that is shorter than the number of vCPUs gets the first elements only; in
 * a longer one, the rest stays unchanged.
 *
 * Errors:
 * - -EINVAL: blocktime was not asked for.
 */
int uffd_incoming_get_blocktime(struct MigrationIncomingState *mis,
                                struct UffdIncomingBlocktime *blocktime);

/**
 * Writes the state of a mis to the descriptor `fd` as text, to diagnose a VM that is stuck: a pause and its
 * reason, which threads wait for which pages and for how long, and how much of each RAM block is in place.
 * The text is not meant to be parsed, and may change in another version.
 *
 * Any thread may call it at any time, such as one that watches the others. It takes no lock that it would
 * have to wait for, allocates no memory, and leaves errno and uffd_incoming_error() as they are. If another
 * thread holds the lock of a part, the text says so in place of that part. In a signal handler it works in
 * nearly all cases, but it may hang if the handler has interrupted this library, or malloc(), at the moment
 * that one thread wakes another: prefer a thread. `fd` must not block: other calls may wait meanwhile.
 *
 * Errors:
 * - -ENOENT: the mis is not attached.
 * - -EBUSY: a thread is attaching or detaching a mis.
 * - Also: any error of write().
 */
int uffd_incoming_dump(struct MigrationIncomingState *mis, int fd);

/**
 * Finds out what this host supports for this process, and what to do if something is missing. Needs no mis.
 * Also returns 0 if no userfaultfd can be opened; `ways` is 0 then.
 */
int uffd_incoming_probe(struct UffdIncomingHost *host);

/**
 * Returns a description of this thread's last failure: what failed, where, and what to do. Never NULL; empty
 * if nothing has failed yet. The pointer is the same in each call and stays valid until the thread ends. The
 * next failure on this thread replaces the text. A text of more than 2047 bytes is cut off.
 */
const char *uffd_incoming_error(void);

/**
 * Returns the library's version, "MAJOR.MINOR.PATCH".
 */
const char *uffd_incoming_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* UFFD_INCOMING_H */
