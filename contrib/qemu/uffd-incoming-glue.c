/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU on uffd-incoming: adapts QEMU's own types and functions to the library, which serves the page faults of a postcopy
 * or of a fast snapshot load. It belongs in QEMU's migration/ directory, where `apply` copies it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-migration.h"
#include "qemu/error-report.h"
#include "qemu/madvise.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "exec/target_page.h"
#include "hw/boards.h"
#include "hw/core/cpu.h"
#include "hw/qdev-core.h"
#include "io/channel-file.h"
#include "system/runstate-action.h"
#include "system/runstate.h"
#include "system/system.h"
#include "migration.h"
#include "migration/blocker.h"
#include "migration/misc.h"
#include "options.h"
#include "postcopy-ram.h"
#include "qemu-file.h"
#include "ram.h"
#include "threadinfo.h"
#include "trace.h"
#include "uffd-incoming-glue.h"

/* 10.0 is 1000, 10.2 is 1002. `apply` knows which versions this file works with. */
#define QEMU_IS (QEMU_VERSION_MAJOR * 100 + QEMU_VERSION_MINOR)

#if QEMU_IS >= 1002
#include "system/memory.h"
#include "system/ramblock.h"
#else
#include "exec/memory.h"
#include "exec/ramblock.h"
#endif

/* The library's header repeats declarations of postcopy-ram.h. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
#define UFFD_INCOMING_HAVE_RAM_ADDR_T
#include <uffd-incoming.h>
#pragma GCC diagnostic pop

/* A PostCopyFD is passed to the library as a UffdSharedFd, without conversion. */
QEMU_BUILD_BUG_ON(sizeof(struct PostCopyFD) != sizeof(UffdSharedFd));
QEMU_BUILD_BUG_ON(offsetof(struct PostCopyFD, fd) != offsetof(UffdSharedFd, fd));
QEMU_BUILD_BUG_ON(offsetof(struct PostCopyFD, data) != offsetof(UffdSharedFd, data));
QEMU_BUILD_BUG_ON(offsetof(struct PostCopyFD, handler) != offsetof(UffdSharedFd, handler));
QEMU_BUILD_BUG_ON(offsetof(struct PostCopyFD, waker) != offsetof(UffdSharedFd, waker));
QEMU_BUILD_BUG_ON(offsetof(struct PostCopyFD, idstr) != offsetof(UffdSharedFd, idstr));

/*
 * An unreadable page fails the migration if device state is still being loaded. Once device state is loaded, it pauses
 * the load. `load.decision` records which came first.
 */
enum { UNDECIDED = 0, GUEST_WILL_RUN = 1 /* negative: RAM failed, with this errno value */ };

/*
 * The state of a fast snapshot load. Only the main thread writes these fields, unless they are marked "any thread". Any
 * thread may read `loading`, `began_ms` and `ended_ms`. Other threads need them while the main thread waits for an
 * unreadable page: to report the pause, and for the monitor's commands (migrate-recover, query-migrate).
 */
static struct {
    uint64_t stream_offset;
    Error *blocker; /* why nothing can be saved */
    bool loading;   /* from the start of the load to its end; changes only while the library runs no thread */
    bool advised;   /* vhost-user back ends have been told about the load, and have to be told about its end */
    bool unserved;  /* the library refused the descriptor of a back end */
    int decision;   /* any thread, atomic */
    bool active;    /* any thread, atomic: postcopy-active or postcopy-paused */
    bool paused;    /* any thread, atomic: a page is unreadable */
    bool started;   /* the guest runs */
    bool complete;  /* every page is in place */
    bool quit;      /* any thread, atomic: QEMU has been told to quit */
    bool watched;   /* any thread, atomic: quit_watch() runs */
    int64_t began_ms, ended_ms; /* QEMU_CLOCK_REALTIME; 0: not yet */
} load;

/* Set when the preempt thread begins to read. It holds the channel's lock from then until it pauses. Set without a channel, too. */
static QemuEvent preempt_reads;

static void report(const char *what)
{
    error_report("%s: %s", what, uffd_incoming_error());
}

/* ------------------------------------------------------------ trace events of a postcopy */

/*
 * For the trace events of blocktime, which the library measures. Maps a page's host address to the vCPUs that wait for
 * it; -1 stands for any other thread. Protected by page_request_mutex.
 */
static GHashTable *waits;

static int cpu_of(uint32_t thread_id)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (cpu->thread_id == thread_id) {
            return cpu->cpu_index;
        }
    }
    return -1;
}

static int vcpu_index(MigrationIncomingState *mis, uint32_t thread_id)
{
    int index = cpu_of(thread_id);

#if QEMU_IS < 1002
    trace_get_mem_fault_cpu_index(index, thread_id);
#endif
    return index;
}

static void trace_blocktime_setup(void)
{
    if (!waits) {
        waits = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_array_unref);
    }
    g_hash_table_remove_all(waits);
#if QEMU_IS >= 1002
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        trace_postcopy_blocktime_tid_cpu_map(cpu->cpu_index, cpu->thread_id);
    }
#endif
}

static void trace_wait_begins(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, uint32_t thread_id)
{
    char *host = (char *)qemu_ram_get_host_addr(rb) + offset;
    int cpu = cpu_of(thread_id);
    GArray *cpus;
    bool first;

    QEMU_LOCK_GUARD(&mis->page_request_mutex);
    if (ramblock_recv_bitmap_test_byte_offset(rb, offset)) {
        return;
    }
    cpus = g_hash_table_lookup(waits, host);
    first = !cpus;
    if (first) {
        cpus = g_array_new(false, false, sizeof(cpu));
        g_hash_table_insert(waits, host, cpus);
    }
    g_array_append_val(cpus, cpu);
#if QEMU_IS >= 1002
    trace_postcopy_blocktime_begin((uintptr_t)host, qemu_clock_get_ns(QEMU_CLOCK_REALTIME), cpu, !first);
#else
    if (cpu >= 0) {
        trace_mark_postcopy_blocktime_begin((uintptr_t)host, NULL, qemu_clock_get_ms(QEMU_CLOCK_REALTIME), cpu, false);
    }
#endif
}

/* With page_request_mutex. */
static void trace_wait_ends(void *host)
{
    GArray *cpus = waits ? g_hash_table_lookup(waits, host) : NULL;
    int affected = 0;

    if (!cpus) {
        return;
    }
    for (guint i = 0; i < cpus->len; i++) {
        int cpu = g_array_index(cpus, int, i);

        affected += cpu >= 0;
#if QEMU_IS >= 1002
        trace_postcopy_blocktime_end_one(cpu, 0);
#endif
    }
#if QEMU_IS >= 1002
    trace_postcopy_blocktime_end((uintptr_t)host, qemu_clock_get_ns(QEMU_CLOCK_REALTIME), affected, cpus->len - affected);
#else
    trace_mark_postcopy_blocktime_end((uintptr_t)host, NULL, qemu_clock_get_ms(QEMU_CLOCK_REALTIME), affected);
#endif
    g_hash_table_remove(waits, host);
}

/* Called for each fault before it is served, by a postcopy or by a load. */
static void fault(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *address, uint32_t thread_id)
{
    trace_postcopy_ram_fault_thread_request((uintptr_t)address, qemu_ram_get_idstr(rb), offset, thread_id);
    if (!load.loading && migrate_postcopy_blocktime()) {
        trace_wait_begins(mis, rb, offset, thread_id);
    }
}

/* ------------------------------------------------------------ callbacks */

/* Adds a RAM block, and marks the pages received that precopy has brought. */
static int add_block(RAMBlock *rb, void *opaque)
{
    MigrationIncomingState *mis = opaque;
    size_t page_size = qemu_ram_pagesize(rb);
    ram_addr_t length = load.loading ? qemu_ram_get_used_length(rb) : rb->postcopy_length;
    UffdRamBlock block = {
        .size = sizeof(block),
        .idstr = qemu_ram_get_idstr(rb),
        .host = qemu_ram_get_host_addr(rb),
        .length = length,
        .page_size = page_size,
    };
    int ret = uffd_incoming_add_ram_block(mis, rb, &block);

    for (ram_addr_t start = 0, end; !ret && !load.loading && start < length; start = end) {
        bool received = ramblock_recv_bitmap_test_byte_offset(rb, start);

        for (end = start + page_size; end < length; end += page_size) {
            if (ramblock_recv_bitmap_test_byte_offset(rb, end) != received) {
                break;
            }
        }
        if (received) {
            ret = uffd_incoming_mark_received(mis, rb, start, end - start);
        }
    }
    return ret;
}

static int ram_blocks(MigrationIncomingState *mis)
{
    return foreach_not_ignored_block(add_block, mis);
}

/* Makes QEMU receive pages into the library's temporary pages. */
static int setup_done(MigrationIncomingState *mis)
{
    trace_postcopy_ram_enable_notify();
    if (load.loading) {
        return 0;
    }
    if (migrate_postcopy_blocktime()) {
        trace_blocktime_setup();
    }
    mis->postcopy_channels = migrate_postcopy_preempt() ? RAM_CHANNEL_MAX : 1;
    mis->postcopy_tmp_pages = g_new0(PostcopyTmpPage, mis->postcopy_channels);
    for (unsigned int i = 0; i < mis->postcopy_channels; i++) {
        mis->postcopy_tmp_pages[i].tmp_huge_page = uffd_incoming_temp_page(mis, i);
        postcopy_temp_page_reset(&mis->postcopy_tmp_pages[i]);
    }
    mis->last_rb = NULL;
    if (migrate_postcopy_preempt()) {
        qemu_event_reset(&preempt_reads);
        mis->preempt_thread_status = PREEMPT_THREAD_CREATED;
    }
    return 0;
}

/* Requests a page from the source, if it has not arrived, and keeps QEMU's account of requested pages. */
static int send_request(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset)
{
    uint64_t host = (uintptr_t)qemu_ram_get_host_addr(rb) + offset;

#if QEMU_IS >= 1002
    return migrate_send_rp_req_pages(mis, rb, offset, host, 0);
#else
    return migrate_send_rp_req_pages(mis, rb, offset, host);
#endif
}

/* The page handler. */
static int request_page(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    /* The source never migrates pages that a RamDiscardManager has discarded. */
    if (ramblock_page_is_discarded(rb, offset)) {
        return postcopy_place_page_zero(mis, qemu_ram_get_host_addr(rb) + offset, rb);
    }
    return send_request(mis, rb, offset);
}

static void preempt_run(MigrationIncomingState *mis)
{
    postcopy_preempt_thread(mis);
}

/* Wakes postcopy_preempt_thread() from each of its waits: for data, for its channel, for a recovery. */
static void preempt_quit(MigrationIncomingState *mis)
{
    mis->preempt_thread_status = PREEMPT_THREAD_QUIT;
    if (mis->postcopy_qemufile_dst) {
        qemu_file_shutdown(mis->postcopy_qemufile_dst);
    }
    qemu_sem_post(&mis->postcopy_qemufile_dst_done);
    qemu_sem_post(&mis->postcopy_pause_sem_fast_load);
}

int uffd_glue_load_urgent(QEMUFile *file, int channel)
{
    qemu_event_set(&preempt_reads);
    /* There is no channel if the thread was told to quit before the channel existed. */
    return file ? ram_load_postcopy(file, channel) : -EIO;
}

void uffd_glue_before_channel_closes(void)
{
    qemu_event_wait(&preempt_reads);
}

static bool is_fault_thread(const char *name)
{
    return g_str_has_prefix(name, "uffd/fault");
}

static void thread_start(MigrationIncomingState *mis, const char *name)
{
    if (is_fault_thread(name)) {
        trace_postcopy_ram_fault_thread_entry();
        /* The descriptors are the library's. */
        trace_postcopy_ram_fault_thread_fds_core(-1, -1);
    }
    rcu_register_thread();
}

static void thread_stop(MigrationIncomingState *mis, const char *name)
{
    rcu_unregister_thread();
    if (is_fault_thread(name)) {
        trace_postcopy_ram_fault_thread_quit();
        trace_postcopy_ram_fault_thread_exit();
    }
}

static void log_message(MigrationIncomingState *mis, int level, const char *message)
{
    switch (level) {
    case UFFD_INCOMING_LOG_ERROR:
        error_report("%s", message);
        break;
    case UFFD_INCOMING_LOG_WARNING:
        warn_report("%s", message);
        break;
    default: /* the trace events of a load tell the same */
        break;
    }
}

static void on_event(MigrationIncomingState *mis, int what, int error);

/*
 * Called when RAM is unplugged, or when a device with a ROM is removed. The memory is still mapped, but no longer used.
 */
static void ram_block_removed(RAMBlockNotifier *notifier, void *host, size_t size, size_t max_size)
{
    ram_addr_t offset;
    RAMBlock *rb = qemu_ram_block_from_host(host, false, &offset);
    int ret = rb ? uffd_incoming_drop_ram_block(migration_incoming_get_current(), rb) : 0;

    /* The library knows no blocks while it is not armed, and most blocks are removed then. */
    if (ret && ret != -ENOENT) {
        report(qemu_ram_get_idstr(rb));
    }
}

static RAMBlockNotifier ram_notifier = {
    .ram_block_removed = ram_block_removed,
};

static void shut_down(Notifier *notifier, void *data)
{
    qatomic_set(&load.quit, true);
}

static Notifier shutdown_notifier = {
    .notify = shut_down,
};

/* ------------------------------------------------------------ setup and cleanup */

void uffd_glue_attach(MigrationIncomingState *mis)
{
    if (uffd_incoming_attach(mis, NULL)) {
        report("uffd-incoming");
    }
    qemu_event_init(&preempt_reads, false);
    ram_block_notifier_add(&ram_notifier);
    qemu_register_shutdown_notifier(&shutdown_notifier);
}

int uffd_glue_configure(MigrationIncomingState *mis)
{
    UffdIncomingConfig config = {
        .size = sizeof(config),
        .flags = (migrate_postcopy_blocktime() ? UFFD_INCOMING_BLOCKTIME : 0)
               | (migrate_postcopy_preempt() ? UFFD_INCOMING_PREEMPT : 0),
        .page_handler = request_page,
        .ram_blocks = ram_blocks,
        .setup_done = setup_done,
        .preempt_run = preempt_run,
        .preempt_quit = preempt_quit,
        .thread_start = thread_start,
        .thread_stop = thread_stop,
        .vcpu_index = vcpu_index,
        .event = on_event,
        .log = log_message,
        .fault = fault,
        .vcpus = MACHINE(qdev_get_machine())->smp.cpus,
    };
    int ret = uffd_incoming_configure(mis, &config);

    if (ret) {
        report(__func__);
    }
    return ret;
}

void uffd_glue_report_setup(void)
{
    report("postcopy_ram_incoming_setup");
}

static int allow_huge_pages(RAMBlock *rb, void *opaque)
{
    void *host = qemu_ram_get_host_addr(rb);

    trace_postcopy_cleanup_range(qemu_ram_get_idstr(rb), host, qemu_ram_get_offset(rb), rb->postcopy_length);
    qemu_madvise(host, rb->postcopy_length, QEMU_MADV_HUGEPAGE);
    return 0;
}

static uint64_t total_blocktime_ns(MigrationIncomingState *mis)
{
    UffdIncomingBlocktime blocktime = { .size = sizeof(blocktime) };

    return migrate_postcopy_blocktime() && !uffd_incoming_get_blocktime(mis, &blocktime) ? blocktime.total_ns : 0;
}

/* Makes devices remove their shared descriptors. This works while the descriptors are served. */
static void end_shared(void)
{
    Error *err = NULL;

    if (postcopy_notify(POSTCOPY_NOTIFY_INBOUND_END, &err)) {
        /* The back end may have died, for example. The RAM is right nevertheless. */
        error_report_err(err);
    }
}

static bool is_armed(MigrationIncomingState *mis)
{
    UffdIncomingStats stats = { .size = sizeof(stats) };

    return !uffd_incoming_get_stats(mis, &stats) && stats.fault_threads;
}

/* Cleans up in the library and in QEMU. */
int postcopy_ram_incoming_cleanup(MigrationIncomingState *mis)
{
    UffdIncomingStats stats = { .size = sizeof(stats) };
    bool armed = is_armed(mis);
    int ret;

    trace_postcopy_ram_incoming_cleanup_entry();
    if (mis->preempt_thread_status == PREEMPT_THREAD_CREATED) {
        /*
         * This must be set before the last urgent pages arrive: an error after them must not make the thread wait for a
         * recovery. A thread that starts to read late still reads those pages.
         */
        mis->preempt_thread_status = PREEMPT_THREAD_QUIT;
    }
    if (armed && (load.advised || !load.loading)) {
        load.advised = false;
        end_shared();
    }
    if (armed) {
        trace_postcopy_ram_incoming_cleanup_join();
    }
    /* After a failure the guest never runs, so it does not matter which pages are missing. */
    ret = mis->state == MIGRATION_STATUS_FAILED ? uffd_incoming_abort(mis) : uffd_incoming_cleanup(mis);
    if (ret) {
        report(__func__);
        if (!load.loading) {
            /* The guest waits for pages that will never arrive, and the caller does not check for errors. */
            migrate_set_state(&mis->state, MIGRATION_STATUS_POSTCOPY_ACTIVE, MIGRATION_STATUS_FAILED);
            exit(EXIT_FAILURE);
        }
        return ret;
    }
    mis->preempt_thread_status = PREEMPT_THREAD_NONE;
    g_free(mis->postcopy_tmp_pages);
    mis->postcopy_tmp_pages = NULL;
    if (armed) {
        foreach_not_ignored_block(allow_huge_pages, NULL);
        trace_postcopy_ram_incoming_cleanup_closeuf();
        uffd_incoming_get_stats(mis, &stats);
        info_report("uffd-incoming %s: %" PRIu64 " faults, %" PRIu64 " pages requested, %" PRIu64 " placed, %" PRIu64
                    " zero", uffd_incoming_version(), stats.faults, stats.pages_requested, stats.pages_placed,
                    stats.zero_pages_placed);
    }
    if (should_mlock(mlock_state) && os_mlock(is_mlock_on_fault(mlock_state)) < 0) {
        /* The VM's state is also valid without the lock. */
        error_report("mlock: %s", strerror(errno));
    }
#if QEMU_IS >= 1002
    trace_postcopy_ram_incoming_cleanup_blocktime(total_blocktime_ns(mis));
#else
    trace_postcopy_ram_incoming_cleanup_blocktime(total_blocktime_ns(mis) / SCALE_MS);
#endif
    trace_postcopy_ram_incoming_cleanup_exit();
    return 0;
}

#if QEMU_IS >= 1002
/* Called by migrate_send_rp_req_pages(). The library has counted this fault already. */
void mark_postcopy_blocktime_begin(uintptr_t addr, uint32_t ptid, RAMBlock *rb)
{
}

/* QEMU's first bucket covers all below 2 us, which are two buckets of the library. */
static uint64List *latency_distribution(const UffdIncomingStats *stats)
{
    const uint64_t *ours = stats->fault_latency_buckets;
    size_t n = ARRAY_SIZE(stats->fault_latency_buckets);
    uint64List *list = NULL;

    QAPI_LIST_PREPEND(list, 0);
    for (size_t i = n; --i > 1; ) {
        QAPI_LIST_PREPEND(list, ours[i]);
    }
    QAPI_LIST_PREPEND(list, ours[0] + ours[1]);
    return list;
}

static void fill_latencies(MigrationInfo *info, const UffdIncomingBlocktime *blocktime, uint32_t vcpus)
{
    UffdIncomingStats stats = { .size = sizeof(stats) };
    uint64_t faults = blocktime->faults_vcpu + blocktime->faults_other;
    uint64List *list = NULL;

    for (uint32_t i = vcpus; i-- > 0; ) {
        QAPI_LIST_PREPEND(list, blocktime->vcpu_latency_ns[i]);
    }
    info->has_postcopy_vcpu_latency = true;
    info->postcopy_vcpu_latency = list;
    info->has_postcopy_non_vcpu_latency = true;
    info->postcopy_non_vcpu_latency = blocktime->latency_ns_other;
    info->has_postcopy_latency = true;
    info->postcopy_latency = faults ? (blocktime->latency_ns_vcpu * blocktime->faults_vcpu +
                                       blocktime->latency_ns_other * blocktime->faults_other) / faults : 0;
    if (!uffd_incoming_get_stats(migration_incoming_get_current(), &stats)) {
        info->has_postcopy_latency_dist = true;
        info->postcopy_latency_dist = latency_distribution(&stats);
    }
}
#endif

void fill_destination_postcopy_migration_info(MigrationInfo *info)
{
    MigrationIncomingState *mis = migration_incoming_get_current();
    uint32_t vcpus = MACHINE(qdev_get_machine())->smp.cpus;
    g_autofree uint64_t *vcpu_ns = g_new0(uint64_t, vcpus);
    g_autofree uint64_t *vcpu_latency_ns = g_new0(uint64_t, vcpus);
    UffdIncomingBlocktime blocktime = {
        .size = sizeof(blocktime),
        .vcpus = vcpus,
        .vcpu_ns = vcpu_ns,
        .vcpu_latency_ns = vcpu_latency_ns,
    };
    uint32List *list = NULL;

    if (!migrate_postcopy_blocktime() || uffd_incoming_get_blocktime(mis, &blocktime)) {
        return;
    }
    vcpus = MIN(vcpus, blocktime.vcpus);
    for (uint32_t i = vcpus; i-- > 0; ) {
        QAPI_LIST_PREPEND(list, vcpu_ns[i] / SCALE_MS);
    }
    info->has_postcopy_blocktime = true;
    info->postcopy_blocktime = blocktime.total_ns / SCALE_MS;
    info->has_postcopy_vcpu_blocktime = true;
    info->postcopy_vcpu_blocktime = list;
#if QEMU_IS >= 1002
    fill_latencies(info, &blocktime, vcpus);
#endif
}

/* ------------------------------------------------------------ pages */

/* Marks a placed page as received and no longer requested. If placing failed, only reports that. */
static int placed(MigrationIncomingState *mis, RAMBlock *rb, void *host, int ret)
{
    if (ret) {
        report("placing a page");
        return ret;
    }
    WITH_QEMU_LOCK_GUARD(&mis->page_request_mutex) {
        ramblock_recv_bitmap_set_range(rb, host, qemu_ram_pagesize(rb) / qemu_target_page_size());
        if (g_tree_remove(mis->page_requested, host)) {
            int left = qatomic_dec_fetch(&mis->page_requested_count);

            trace_postcopy_page_req_del(host, left);
        }
        trace_wait_ends(host);
    }
    return 0;
}

int postcopy_place_page(MigrationIncomingState *mis, void *host, void *from, RAMBlock *rb)
{
    trace_postcopy_place_page(host);
    return placed(mis, rb, host, uffd_incoming_place_page(mis, rb, host, from));
}

int postcopy_place_page_zero(MigrationIncomingState *mis, void *host, RAMBlock *rb)
{
    trace_postcopy_place_page_zero(host);
    return placed(mis, rb, host, uffd_incoming_place_zero_page(mis, rb, host));
}

/* ------------------------------------------------------------ recovery */

/* The return path is broken. The fault thread must not use it until it has been restored. */
void postcopy_fault_thread_notify(MigrationIncomingState *mis)
{
    if (uffd_incoming_pause(mis)) {
        report(__func__);
    }
}

void uffd_glue_resume(MigrationIncomingState *mis)
{
    if (uffd_incoming_resume(mis)) {
        report(__func__);
    }
}

/* ------------------------------------------------------------ shared descriptors (vhost-user) */

void postcopy_register_shared_ufd(struct PostCopyFD *pcfd)
{
    UffdSharedFd shared;

    memcpy(&shared, pcfd, sizeof(shared));
    if (uffd_incoming_add_shared_fd(migration_incoming_get_current(), &shared)) {
        report(pcfd->idstr);
        load.unserved = true;
    }
}

void postcopy_unregister_shared_ufd(struct PostCopyFD *pcfd)
{
    /* -ENOENT if it has been removed before. */
    uffd_incoming_remove_shared_fd(migration_incoming_get_current(), pcfd->fd);
}

int postcopy_notify_shared_wake(RAMBlock *rb, uint64_t offset)
{
    return uffd_incoming_notify_shared_wake(migration_incoming_get_current(), rb, offset);
}

int postcopy_wake_shared(struct PostCopyFD *pcfd, uint64_t client_addr, RAMBlock *rb)
{
    trace_postcopy_wake_shared(client_addr, qemu_ram_get_idstr(rb));
    return uffd_incoming_wake_shared(migration_incoming_get_current(), pcfd->fd, rb, client_addr);
}

int postcopy_request_shared_page(struct PostCopyFD *pcfd, RAMBlock *rb, uint64_t client_addr, uint64_t offset)
{
    MigrationIncomingState *mis = migration_incoming_get_current();
    ram_addr_t page = ROUND_DOWN(offset, qemu_ram_pagesize(rb));

    trace_postcopy_request_shared_page(pcfd->idstr, qemu_ram_get_idstr(rb), offset);
    if (uffd_incoming_page_received(mis, rb, page) == 1) {
        trace_postcopy_request_shared_page_present(pcfd->idstr, qemu_ram_get_idstr(rb), offset);
    }
    return uffd_incoming_request_shared_page(mis, pcfd->fd, rb, client_addr, offset);
}

/* ------------------------------------------------------------ fast snapshot load */

bool uffd_glue_is_lazy(void)
{
    MigrationIncomingState *mis = migration_incoming_get_current();

    /* Not for loadvm and the like, which load with the same capabilities set. */
    return migrate_mapped_ram() && migrate_postcopy_ram() && mis->state == MIGRATION_STATUS_ACTIVE;
}

void uffd_glue_stream_starts_at(uint64_t offset)
{
    load.stream_offset = offset;
}

static int fail_load(const char *why, int ret)
{
    Error *err = NULL;

    error_setg(&err, "fast snapshot load: %s", why);
    migrate_set_error(migrate_get_current(), err);
    error_report_err(err);
    return ret;
}

static int fail_load_with(Error *err, int ret)
{
    fail_load(error_get_pretty(err), ret);
    error_free(err);
    return ret;
}

static void clear_error(void)
{
    MigrationState *s = migrate_get_current();

    WITH_QEMU_LOCK_GUARD(&s->error_mutex) {
        error_free(s->error);
        s->error = NULL;
    }
}

void uffd_glue_capability_differs(int capability, bool saved_with)
{
    g_autofree char *why = NULL;

    if (!uffd_glue_is_lazy()) {
        return;
    }
    why = g_strdup_printf("the snapshot was taken with %s %s%s", MigrationCapability_str(capability),
                          saved_with ? "on" : "off",
                          capability == MIGRATION_CAPABILITY_X_IGNORE_SHARED ? ": not all RAM is in it" : "");
    fail_load(why, -EINVAL);
}

bool uffd_glue_refuses(const char *what, Error **errp)
{
    if (load.loading) {
        error_setg(errp, "%s: not while RAM is being loaded from a snapshot (until query-migrate says completed)", what);
    } else if (migration_in_incoming_postcopy()) {
        error_setg(errp, "%s: not during an incoming postcopy", what);
    } else {
        return false;
    }
    return true;
}

bool uffd_glue_is_loading(void)
{
    return load.loading;
}

/* Restores what a load has changed in QEMU, after the load has ended or failed. */
static void end_load(void)
{
    MigrationState *s = migrate_get_current();

    load.loading = false;
    qatomic_set(&load.paused, false);
    load.ended_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    migrate_del_blocker(&load.blocker);
    postcopy_state_set(POSTCOPY_INCOMING_END);
    /* With mapped-ram, these capabilities work for loading only: an outgoing migration would not complete. */
    s->capabilities[MIGRATION_CAPABILITY_POSTCOPY_RAM] = false;
    s->capabilities[MIGRATION_CAPABILITY_POSTCOPY_PREEMPT] = false;
    object_unref(OBJECT(s));
}

/* Checks whether a load is possible, before anything has changed. */
static int check_load(MigrationIncomingState *mis, Object *ioc)
{
    Error *err = NULL;

    if (!object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_FILE)) {
        return fail_load("the source of the migration must be a file", -EINVAL);
    }
    if (ram_block_discard_is_disabled()) {
        /* The device would go on using the present pages, while the guest gets others. */
        return fail_load("a device has pinned RAM, or needs it to stay as it is (VFIO, vDPA, an encrypted guest): "
                         "load without postcopy-ram", -EBUSY);
    }
    if (postcopy_notify(POSTCOPY_NOTIFY_PROBE, &err)) {
        return fail_load_with(err, -EOPNOTSUPP);
    }
    return 0;
}

/*
 * vhost-user back ends fault on shared RAM themselves, once the guest runs. On ADVISE each passes a userfaultfd, for
 * the library to serve. From LISTEN on, it registers the RAM that it maps with that userfaultfd.
 */
static int tell_back_ends(enum PostcopyNotifyReason reason)
{
    Error *err = NULL;

    load.advised = true;
    if (postcopy_notify(reason, &err)) {
        return fail_load_with(err, -EIO);
    }
    return load.unserved ? fail_load("a vhost-user back end cannot be served", -EIO) : 0;
}

/* Some RAM blocks grow while a guest runs (ACPI tables). They need the length that they had in the snapshot. */
static void resize_blocks(UffdSnapshot *snapshot)
{
    UffdSnapshotBlock held = { .size = sizeof(held) };

    for (size_t i = 0; !uffd_snapshot_block(snapshot, i, &held); i++) {
        RAMBlock *rb = qemu_ram_block_by_name(held.idstr);
        Error *err = NULL;

        /* The library refuses any other difference, and names the block. */
        if (rb && rb->flags & RAM_RESIZEABLE) {
            memory_region_ram_resize(rb->mr, held.length, &err);
        }
        if (err) {
            error_report_err(err);
        }
    }
}

int uffd_glue_load_ram(MigrationIncomingState *mis)
{
    Object *ioc = OBJECT(qemu_file_get_ioc(mis->from_src_file));
    const UffdLoadConfig config = {
        .size = sizeof(config),
        .flags = migrate_direct_io() ? UFFD_LOAD_DIRECT_IO : 0,
    };
    UffdSnapshot *snapshot;
    Error *err = NULL;
    int ret;

    if (!uffd_glue_is_lazy()) {
        return 0;
    }
    ret = check_load(mis, ioc);
    if (ret) {
        return ret;
    }
    ret = uffd_glue_configure(mis);
    if (ret) {
        return fail_load(uffd_incoming_error(), ret);
    }
    snapshot = uffd_snapshot_open_fd(QIO_CHANNEL_FILE(ioc)->fd, load.stream_offset);
    if (!snapshot) {
        ret = -errno;
        return fail_load(uffd_incoming_error(), ret);
    }
    /* Blocks migrate and savevm: RAM is incomplete, and query-migrate must keep reporting this load. */
    error_setg(&load.blocker, "RAM is being loaded from a snapshot (until query-migrate says completed)");
    if (migrate_add_blocker_internal(&load.blocker, &err)) {
        uffd_snapshot_close(snapshot);
        return fail_load_with(err, -EBUSY);
    }
    resize_blocks(snapshot);
    load.loading = true;
    /* QEMU may be told to quit during the load. The load still needs this object then. */
    object_ref(OBJECT(migrate_get_current()));
    load.began_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    trace_uffd_load_begin(uffd_incoming_version());
    ret = tell_back_ends(POSTCOPY_NOTIFY_INBOUND_ADVISE);
    if (!ret) {
        ret = uffd_incoming_load_snapshot(mis, snapshot, &config);
        if (ret) {
            fail_load(uffd_incoming_error(), ret);
        } else {
            ret = tell_back_ends(POSTCOPY_NOTIFY_INBOUND_LISTEN);
        }
    }
    /* After a failure uffd_glue_forget() undoes everything else. */
    uffd_snapshot_close(snapshot);
    return ret;
}

int uffd_glue_state_loaded(MigrationIncomingState *mis, int ret, Error **errp)
{
    int failed = 0;

    if (ret >= 0 && load.loading) {
        failed = qatomic_cmpxchg(&load.decision, UNDECIDED, GUEST_WILL_RUN);
    }
    if (!failed) {
        return ret;
    }
    if (errp) {
        error_setg(errp, "fast snapshot load: a page of RAM cannot be read");
    }
    return failed;
}

/*
 * Shows a pause in the migration's state. Any thread may call it. A caller sets `paused` or `active` with a barrier, and
 * then calls this: the second caller sees both.
 */
static void show_pause(MigrationIncomingState *mis)
{
    if (qatomic_read(&load.active) && qatomic_read(&load.paused)) {
        migrate_set_state(&mis->state, MIGRATION_STATUS_POSTCOPY_ACTIVE, MIGRATION_STATUS_POSTCOPY_PAUSED);
    }
}

void uffd_glue_before_start(MigrationIncomingState *mis)
{
    if (load.loading) {
        trace_uffd_load_guest_runs(qemu_clock_get_ms(QEMU_CLOCK_REALTIME) - load.began_ms);
        /* As during a postcopy, this inhibits balloons, and lets RAM blocks grow. */
        postcopy_state_set(POSTCOPY_INCOMING_RUNNING);
        migrate_set_state(&mis->state, MIGRATION_STATUS_ACTIVE, MIGRATION_STATUS_POSTCOPY_ACTIVE);
        qatomic_set_mb(&load.active, true);
        show_pause(mis);
    }
}

/* Called once the guest runs and every page is in place. */
static void finish_load(MigrationIncomingState *mis)
{
    UffdIncomingStats stats = { .size = sizeof(stats) };

    if (postcopy_ram_incoming_cleanup(mis)) {
        return;
    }
    end_load();
    uffd_incoming_get_stats(mis, &stats);
    trace_uffd_load_complete(load.ended_ms - load.began_ms, stats.faults, stats.pages_placed, stats.zero_pages_placed);
    /* The state may still be paused, if another thread has read the unreadable page meanwhile. */
    clear_error();
    migrate_set_state(&mis->state, MIGRATION_STATUS_POSTCOPY_PAUSED, MIGRATION_STATUS_POSTCOPY_ACTIVE);
    migrate_set_state(&mis->state, MIGRATION_STATUS_POSTCOPY_ACTIVE, MIGRATION_STATUS_COMPLETED);
    migration_incoming_state_destroy();
}

bool uffd_glue_completes(MigrationIncomingState *mis)
{
    if (!load.loading) {
        return false;
    }
    load.started = true;
    if (load.complete) {
        finish_load(mis);
    }
    return true;
}

static void complete_bh(void *opaque)
{
    load.complete = true;
    if (load.loading && load.started) {
        finish_load(opaque);
    }
}

static void *abort_thread(void *opaque)
{
    uffd_incoming_abort(opaque);
    return NULL;
}

/*
 * Ends QEMU while a page is unreadable. QEMU may be told to quit, but threads that wait for the page, perhaps the main
 * thread among them, keep it from doing so. Waking them would show zeros to the guest and its disks. So the process
 * exits while they wait.
 */
static void *quit_watch(void *opaque)
{
    enum { STEP_MS = 100, GRACE_MS = 1000 };

    do {
        int waited_ms = 0;

        while (load.loading && qatomic_read(&load.paused)) {
            bool asked = qatomic_read(&load.quit) || qemu_shutdown_requested_get();

            waited_ms = asked && shutdown_action == SHUTDOWN_ACTION_POWEROFF ? waited_ms + STEP_MS : 0;
            if (waited_ms > GRACE_MS) {
                error_report("fast snapshot load: QEMU exits while threads still wait for unreadable RAM");
                _exit(EXIT_FAILURE);
            }
            g_usleep(STEP_MS * 1000);
        }
        qatomic_set_mb(&load.watched, false);
    } while (qatomic_read(&load.paused) && !qatomic_xchg(&load.watched, true));
    return NULL;
}

void uffd_glue_command_queued(const char *command)
{
    if (command && !strcmp(command, "quit") && load.loading && qatomic_read(&load.paused)) {
        shutdown_action = SHUTDOWN_ACTION_POWEROFF;
        qatomic_set(&load.quit, true);
    }
}

static void pause_load(MigrationIncomingState *mis)
{
    QemuThread thread;

    trace_uffd_load_paused();
    qatomic_set_mb(&load.paused, true);
    if (!qatomic_xchg(&load.watched, true)) {
        qemu_thread_create(&thread, "uffd/quit", quit_watch, NULL, QEMU_THREAD_DETACHED);
    }
    show_pause(mis);
}

/* Runs on a thread of the library. */
static void on_event(MigrationIncomingState *mis, int what, int error)
{
    AioContext *main_context = qemu_get_aio_context();
    QemuThread thread;

    if (!load.loading) {
        /* QEMU pauses and resumes a postcopy itself. */
        if (what == UFFD_INCOMING_EVENT_PAUSED) {
            trace_postcopy_pause_fault_thread();
        } else if (what == UFFD_INCOMING_EVENT_RESUMED) {
            trace_postcopy_pause_fault_thread_continued();
        }
        return;
    }
    if (what == UFFD_INCOMING_EVENT_COMPLETE) {
        aio_bh_schedule_oneshot(main_context, complete_bh, mis);
    } else if (what == UFFD_INCOMING_EVENT_PAUSED && error) {
        Error *err = NULL;

        error_setg(&err, "fast snapshot load: a page of RAM cannot be read: %s", strerror(-error));
        migrate_set_error(migrate_get_current(), err);
        error_free(err);
        switch (qatomic_cmpxchg(&load.decision, UNDECIDED, error)) {
        case GUEST_WILL_RUN:
            pause_load(mis);
            break;
        case UNDECIDED:
            /*
             * The main thread may wait for this page while it loads a device. An abort wakes it, and it sees the
             * failure.
             */
            qemu_thread_create(&thread, "uffd/abort", abort_thread, mis, QEMU_THREAD_DETACHED);
            break;
        }
    }
}

bool uffd_glue_recover(MigrationIncomingState *mis)
{
    if (!load.loading) {
        return false;
    }
    trace_uffd_load_resumed();
    clear_error();
    qatomic_set_mb(&load.paused, false);
    migrate_set_state(&mis->state, MIGRATION_STATUS_POSTCOPY_PAUSED, MIGRATION_STATUS_POSTCOPY_ACTIVE);
    uffd_glue_resume(mis);
    return true;
}

void uffd_glue_forget(MigrationIncomingState *mis)
{
    if (load.advised) {
        load.advised = false;
        end_shared();
    }
    if (is_armed(mis)) {
        uffd_incoming_abort(mis);
    }
    if (load.loading) {
        end_load();
    }
}

/* ------------------------------------------------------------ query-migrate */

void uffd_glue_fill_info(MigrationInfo *info)
{
    MigrationIncomingState *mis = migration_incoming_get_current();
    UffdIncomingStats stats = { .size = sizeof(stats) };
    int64_t now_ms = load.ended_ms ? load.ended_ms : qemu_clock_get_ms(QEMU_CLOCK_REALTIME);

    /* An outgoing migration reports its own figures. */
    if (!load.began_ms || migrate_get_current()->state != MIGRATION_STATUS_NONE || uffd_incoming_get_stats(mis, &stats)) {
        return;
    }
    info->has_total_time = true;
    info->total_time = now_ms - load.began_ms;
    info->ram = g_new0(MigrationStats, 1);
    info->ram->total = stats.bytes_total;
    info->ram->transferred = stats.bytes_loaded;
    info->ram->remaining = stats.bytes_total - stats.bytes_loaded;
    info->ram->normal = stats.pages_placed;
    info->ram->duplicate = stats.zero_pages_placed;
    info->ram->postcopy_requests = stats.faults;
    info->ram->page_size = qemu_target_page_size();
}

MigrationInfo *uffd_glue_query(void)
{
    MigrationState *s = migrate_get_current();
    MigrationInfo *info = g_new0(MigrationInfo, 1);

    info->status = migration_incoming_get_current()->state;
    info->has_status = info->status != MIGRATION_STATUS_NONE;
    uffd_glue_fill_info(info);
    WITH_QEMU_LOCK_GUARD(&s->error_mutex) {
        info->error_desc = s->error ? g_strdup(error_get_pretty(s->error)) : NULL;
    }
    return info;
}
