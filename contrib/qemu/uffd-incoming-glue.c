/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU on uffd-incoming: adapts QEMU's own types and functions to the library, which serves the page faults of a postcopy
 * or of a fast snapshot load. Belongs into QEMU's migration/ directory; `apply` brings it there.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-migration.h"
#include "qemu/error-report.h"
#include "qemu/madvise.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "exec/ramblock.h"
#include "exec/target_page.h"
#include "hw/boards.h"
#include "hw/core/cpu.h"
#include "hw/qdev-core.h"
#include "io/channel-file.h"
#include "system/runstate.h"
#include "system/system.h"
#include "migration.h"
#include "migration/misc.h"
#include "options.h"
#include "postcopy-ram.h"
#include "qemu-file.h"
#include "ram.h"
#include "threadinfo.h"
#include "trace.h"
#include "uffd-incoming-glue.h"

/* The library declares what postcopy-ram.h declares, too. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
#define UFFD_INCOMING_HAVE_RAM_ADDR_T
#include <uffd-incoming.h>
#pragma GCC diagnostic pop

/* A shared descriptor is passed on as it is. */
QEMU_BUILD_BUG_ON(sizeof(struct PostCopyFD) != sizeof(UffdSharedFd));
QEMU_BUILD_BUG_ON(offsetof(struct PostCopyFD, fd) != offsetof(UffdSharedFd, fd));
QEMU_BUILD_BUG_ON(offsetof(struct PostCopyFD, data) != offsetof(UffdSharedFd, data));
QEMU_BUILD_BUG_ON(offsetof(struct PostCopyFD, handler) != offsetof(UffdSharedFd, handler));
QEMU_BUILD_BUG_ON(offsetof(struct PostCopyFD, waker) != offsetof(UffdSharedFd, waker));
QEMU_BUILD_BUG_ON(offsetof(struct PostCopyFD, idstr) != offsetof(UffdSharedFd, idstr));

/*
 * How device state and RAM come together: once all device state is loaded the guest will run, and a page that cannot be
 * read pauses the load; before that it fails the migration. Whichever comes first decides, once.
 */
enum { UNDECIDED = 0, GUEST_WILL_RUN = 1 /* negative: RAM failed, with this errno value */ };

/*
 * A fast snapshot load under way. Main thread, unless said otherwise: it may be waiting for a page that cannot be read, and
 * still the pause has to be seen, and migrate-recover (which the monitor's own thread runs) has to work.
 */
static struct {
    uint64_t stream_offset;
    bool loading;  /* from the start of the load to its end; changes while nothing else is going on */
    int decision;  /* any thread, atomic */
    bool active;   /* any thread, atomic: postcopy-active or postcopy-paused */
    bool paused;   /* any thread, atomic: a page could not be read */
    bool started;  /* the guest runs */
    bool complete; /* every page is in place */
} load;

static void report(const char *what)
{
    error_report("%s: %s", what, uffd_incoming_error());
}

/* ------------------------------------------------------------ callbacks */

/* The RAM blocks as they are now, and what of them precopy has brought. */
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

/* QEMU receives into the library's temporary pages. */
static int setup_done(MigrationIncomingState *mis)
{
    if (load.loading) {
        return 0;
    }
    mis->postcopy_channels = migrate_postcopy_preempt() ? RAM_CHANNEL_MAX : 1;
    mis->postcopy_tmp_pages = g_new0(PostcopyTmpPage, mis->postcopy_channels);
    for (unsigned int i = 0; i < mis->postcopy_channels; i++) {
        mis->postcopy_tmp_pages[i].tmp_huge_page = uffd_incoming_temp_page(mis, i);
        postcopy_temp_page_reset(&mis->postcopy_tmp_pages[i]);
    }
    mis->last_rb = NULL;
    if (migrate_postcopy_preempt()) {
        mis->preempt_thread_status = PREEMPT_THREAD_CREATED;
    }
    return 0;
}

/* A page that a thread waits for: asks the source for it. */
static int request_page(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    /* What a RamDiscardManager has discarded is never migrated. */
    if (ramblock_page_is_discarded(rb, offset)) {
        return postcopy_place_page_zero(mis, qemu_ram_get_host_addr(rb) + offset, rb);
    }
    return migrate_send_rp_message_req_pages(mis, rb, offset);
}

static void preempt_run(MigrationIncomingState *mis)
{
    postcopy_preempt_thread(mis);
}

static void preempt_quit(MigrationIncomingState *mis)
{
    mis->preempt_thread_status = PREEMPT_THREAD_QUIT;
    if (mis->postcopy_qemufile_dst) {
        qemu_file_shutdown(mis->postcopy_qemufile_dst);
    }
}

static void thread_start(MigrationIncomingState *mis, const char *name)
{
    rcu_register_thread();
}

static void thread_stop(MigrationIncomingState *mis, const char *name)
{
    rcu_unregister_thread();
}

static int vcpu_index(MigrationIncomingState *mis, uint32_t thread_id)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (cpu->thread_id == thread_id) {
            return cpu->cpu_index;
        }
    }
    return -1;
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
    default:
        info_report("%s", message);
    }
}

static void on_event(MigrationIncomingState *mis, int what, int error);

/* ------------------------------------------------------------ set-up and clean-up */

void uffd_glue_attach(MigrationIncomingState *mis)
{
    if (uffd_incoming_attach(mis, NULL)) {
        report("uffd-incoming");
    }
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
    qemu_madvise(qemu_ram_get_host_addr(rb), rb->postcopy_length, QEMU_MADV_HUGEPAGE);
    return 0;
}

/* The library's part of a clean-up, and QEMU's own that goes with it. */
int postcopy_ram_incoming_cleanup(MigrationIncomingState *mis)
{
    UffdIncomingStats stats = { .size = sizeof(stats) };
    bool armed = !uffd_incoming_get_stats(mis, &stats) && stats.fault_threads;
    Error *err = NULL;
    int ret;

    if (mis->preempt_thread_status == PREEMPT_THREAD_CREATED) {
        /* Before the last urgent pages arrive: an error behind them must not make the thread wait for a recovery. */
        mis->preempt_thread_status = PREEMPT_THREAD_QUIT;
    }
    /* Devices withdraw their descriptors, which works while they are served. */
    if (armed && postcopy_notify(POSTCOPY_NOTIFY_INBOUND_END, &err)) {
        error_report_err(err);
        return -1;
    }
    ret = uffd_incoming_cleanup(mis);
    if (ret) {
        report(__func__);
        return ret;
    }
    mis->preempt_thread_status = PREEMPT_THREAD_NONE;
    g_free(mis->postcopy_tmp_pages);
    mis->postcopy_tmp_pages = NULL;
    if (armed) {
        foreach_not_ignored_block(allow_huge_pages, NULL);
        uffd_incoming_get_stats(mis, &stats);
        info_report("uffd-incoming %s: %" PRIu64 " faults, %" PRIu64 " pages requested, %" PRIu64 " placed, %" PRIu64
                    " zero", uffd_incoming_version(), stats.faults, stats.pages_requested, stats.pages_placed,
                    stats.zero_pages_placed);
    }
    if (should_mlock(mlock_state) && os_mlock(is_mlock_on_fault(mlock_state)) < 0) {
        /* The VM's state is valid all the same. */
        error_report("mlock: %s", strerror(errno));
    }
    return 0;
}

void fill_destination_postcopy_migration_info(MigrationInfo *info)
{
    MigrationIncomingState *mis = migration_incoming_get_current();
    uint32_t vcpus = MACHINE(qdev_get_machine())->smp.cpus;
    g_autofree uint64_t *vcpu_ns = g_new0(uint64_t, vcpus);
    UffdIncomingBlocktime blocktime = { .size = sizeof(blocktime), .vcpus = vcpus, .vcpu_ns = vcpu_ns };
    uint32List *list = NULL;

    if (!migrate_postcopy_blocktime() || uffd_incoming_get_blocktime(mis, &blocktime)) {
        return;
    }
    for (uint32_t i = MIN(vcpus, blocktime.vcpus); i-- > 0; ) {
        QAPI_LIST_PREPEND(list, vcpu_ns[i] / 1000000);
    }
    info->has_postcopy_blocktime = true;
    info->postcopy_blocktime = blocktime.total_ns / 1000000;
    info->has_postcopy_vcpu_blocktime = true;
    info->postcopy_vcpu_blocktime = list;
}

/* ------------------------------------------------------------ pages */

static int placed(RAMBlock *rb, void *host, int ret)
{
    if (ret) {
        report("placing a page");
        return ret;
    }
    ramblock_recv_bitmap_set_range(rb, host, qemu_ram_pagesize(rb) / qemu_target_page_size());
    return 0;
}

int postcopy_place_page(MigrationIncomingState *mis, void *host, void *from, RAMBlock *rb)
{
    trace_postcopy_place_page(host);
    return placed(rb, host, uffd_incoming_place_page(mis, rb, host, from));
}

int postcopy_place_page_zero(MigrationIncomingState *mis, void *host, RAMBlock *rb)
{
    trace_postcopy_place_page_zero(host);
    return placed(rb, host, uffd_incoming_place_zero_page(mis, rb, host));
}

/* ------------------------------------------------------------ recovery */

/* The return path is broken: nobody may use it until it is there again. */
void postcopy_fault_thread_notify(MigrationIncomingState *mis)
{
    if (uffd_incoming_pause(mis)) {
        report(__func__);
    }
}

static int request_again(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *opaque)
{
    if (migrate_send_rp_message_req_pages(mis, rb, offset)) {
        /* Whoever waits for it faults again, or the source sends it in its own time. */
        error_report("asking again for a page of %s at 0x" RAM_ADDR_FMT " failed", qemu_ram_get_idstr(rb), offset);
    }
    return 0;
}

void uffd_glue_request_again(MigrationIncomingState *mis)
{
    if (uffd_incoming_foreach_requested(mis, request_again, NULL)) {
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
    }
}

void postcopy_unregister_shared_ufd(struct PostCopyFD *pcfd)
{
    /* Unknown: it was withdrawn before. */
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
    trace_postcopy_request_shared_page(pcfd->idstr, qemu_ram_get_idstr(rb), offset);
    return uffd_incoming_request_shared_page(migration_incoming_get_current(), pcfd->fd, rb, client_addr, offset);
}

/* ------------------------------------------------------------ fast snapshot load */

bool uffd_glue_is_lazy(void)
{
    return migrate_mapped_ram() && migrate_postcopy_ram();
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

int uffd_glue_load_ram(MigrationIncomingState *mis)
{
    Object *ioc = OBJECT(qemu_file_get_ioc(mis->from_src_file));
    const UffdLoadConfig config = {
        .size = sizeof(config),
        .flags = migrate_direct_io() ? UFFD_LOAD_DIRECT_IO : 0,
    };
    UffdSnapshot *snapshot;
    int ret;

    if (!uffd_glue_is_lazy()) {
        return 0;
    }
    if (!object_dynamic_cast(ioc, TYPE_QIO_CHANNEL_FILE)) {
        return fail_load("only from a file", -EINVAL);
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
    load.loading = true;
    load.started = load.complete = false;
    qatomic_set(&load.active, false);
    qatomic_set(&load.paused, false);
    qatomic_set(&load.decision, UNDECIDED);
    ret = uffd_incoming_load_snapshot(mis, snapshot, &config);
    if (ret) {
        load.loading = false;
        fail_load(uffd_incoming_error(), ret);
    }
    uffd_snapshot_close(snapshot);
    return ret;
}

int uffd_glue_state_loaded(MigrationIncomingState *mis, int ret)
{
    int failed = 0;

    if (ret >= 0 && load.loading) {
        failed = qatomic_cmpxchg(&load.decision, UNDECIDED, GUEST_WILL_RUN);
    }
    return failed ? failed : ret;
}

/*
 * Any thread, after a barrier. A pause comes to light as soon as both it and the load are known, whichever is the later.
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
        /* Balloons and the like stay off the RAM, as during a postcopy. */
        postcopy_state_set(POSTCOPY_INCOMING_DISCARD);
        migrate_set_state(&mis->state, MIGRATION_STATUS_ACTIVE, MIGRATION_STATUS_POSTCOPY_ACTIVE);
        qatomic_set_mb(&load.active, true);
        show_pause(mis);
    }
}

/* Once the guest runs and every page is in place. */
static void finish_load(MigrationIncomingState *mis)
{
    postcopy_ram_incoming_cleanup(mis);
    load.loading = false;
    postcopy_state_set(POSTCOPY_INCOMING_END);
    /* Paused it may still be: the page that could not be read has come at another's attempt. */
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

/* On a thread of the library. */
static void on_event(MigrationIncomingState *mis, int what, int error)
{
    AioContext *main_context = qemu_get_aio_context();
    QemuThread thread;

    if (!load.loading) {
        /* A postcopy: pausing and resuming it is QEMU's own doing. */
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
            qatomic_set_mb(&load.paused, true);
            show_pause(mis);
            break;
        case UNDECIDED:
            /* The main thread may wait for this very page while it loads a device. It has to find out that it failed. */
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
    qatomic_set_mb(&load.paused, false);
    migrate_set_state(&mis->state, MIGRATION_STATUS_POSTCOPY_PAUSED, MIGRATION_STATUS_POSTCOPY_ACTIVE);
    uffd_glue_resume(mis);
    return true;
}

void uffd_glue_forget(MigrationIncomingState *mis)
{
    if (load.loading) {
        uffd_incoming_abort(mis);
        load.loading = false;
        postcopy_state_set(POSTCOPY_INCOMING_END);
    }
}
