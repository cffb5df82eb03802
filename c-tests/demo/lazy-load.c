/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How a VMM restores a guest with the library: this file is the example.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "report.h"
#include "restoration.h"
#include "system-calls.h"
#include "uffd-incoming.h"

#define PROGRESS_INTERVAL_MS 50

/* Ends the program, with the library's words for the call of it that just failed. */
static _Noreturn void fail(const char *doing)
{
    fprintf(stderr, "restore: %s: %s\n", doing, uffd_incoming_error());
    exit(2);
}

/*
 * Which userfaultfd to ask for. A process without privileges gets one that serves faults of user mode only:
 * that is enough for threads, not for the vCPUs of KVM.
 */
static uint64_t userfaultfd_flags(void)
{
    struct UffdIncomingHost host = { .size = sizeof(host) };

    if (uffd_incoming_probe(&host) != 0) {
        fail("looking at this host");
    }
    if (host.ways == 0) {
        fprintf(stderr, "restore: this process may not use userfaultfd: %s\n", host.advice);
        exit(2);
    }
    if (host.ways & (UFFD_INCOMING_HOST_DEVICE | UFFD_INCOMING_HOST_SYSCALL)) {
        return 0;
    }
    return UFFD_INCOMING_USER_MODE_ONLY;
}

/* Gives the guest the RAM blocks that the snapshot has. */
static void create_ram(struct MigrationIncomingState *guest, struct UffdSnapshot *snapshot,
                       enum guest_memory memory)
{
    struct UffdSnapshotBlock block = { .size = sizeof(block) };

    for (size_t i = 0; uffd_snapshot_block(snapshot, i, &block) == 0; i++) {
        guest_add_block(guest, block.idstr, block.length);
    }
    guest_map(guest, memory);
}

/* Makes the guest known to the library. */
static void attach(struct MigrationIncomingState *guest, const struct options *options)
{
    const struct UffdIncomingConfig config = {
        .size = sizeof(config),
        .flags = userfaultfd_flags(),
        .fault_threads = options->fault_threads,
        .thread_start = options->system_calls != NULL ? system_calls_confine : NULL,
    };

    if (uffd_incoming_attach(guest, &config) != 0) {
        fail("attaching");
    }
    for (size_t i = 0; i < guest->block_count; i++) {
        struct RAMBlock *rb = &guest->blocks[i];
        const struct UffdRamBlock block = {
            .size = sizeof(block),
            .idstr = rb->idstr,
            .host = rb->host,
            .length = rb->length,
            .page_size = rb->page_size,
        };

        if (uffd_incoming_add_ram_block(guest, rb, &block) != 0) {
            fail("adding a RAM block");
        }
    }
}

/* Starts the load: from here on the RAM may be used. */
static void load(struct MigrationIncomingState *guest, struct UffdSnapshot *snapshot,
                 const struct options *options)
{
    const struct UffdLoadConfig config = {
        .size = sizeof(config),
        .flags = (options->direct_io ? UFFD_LOAD_DIRECT_IO : 0) | (options->map_private ? UFFD_LOAD_MAP_PRIVATE : 0),
        .loader_threads = options->loader_threads,
        .working_set_record = options->record,
        .working_set_replay = options->replay,
    };

    if (uffd_incoming_load_snapshot(guest, snapshot, &config) != 0) {
        fail("starting the load");
    }
}

static struct UffdIncomingStats get_stats(struct MigrationIncomingState *guest)
{
    struct UffdIncomingStats stats = { .size = sizeof(stats) };

    if (uffd_incoming_get_stats(guest, &stats) != 0) {
        fail("reading the counters");
    }
    return stats;
}

/* Waits until every page is in place. */
static void wait_until_loaded(struct MigrationIncomingState *guest)
{
    const bool bar = isatty(STDERR_FILENO);
    int error;

    while ((error = uffd_incoming_wait(guest, bar ? PROGRESS_INTERVAL_MS : -1)) == -ETIMEDOUT) {
        const struct UffdIncomingStats stats = get_stats(guest);
        report_progress(stats.bytes_loaded, stats.bytes_total);
    }
    if (bar) {
        report_progress_end();
    }
    if (error != 0) {
        /* The vCPUs wait for the pages that are missing. A VMM would tell its user, who may mend what is
         * wrong, and go on with uffd_incoming_resume(). */
        fail("loading");
    }
}

/* Lets go of the library: the RAM is ordinary memory again. Returns what the counters say in the end. */
static struct UffdIncomingStats detach(struct MigrationIncomingState *guest)
{
    if (uffd_incoming_cleanup(guest) != 0) {
        fail("cleaning up");
    }
    const struct UffdIncomingStats stats = get_stats(guest);
    if (uffd_incoming_detach(guest) != 0) {
        fail("detaching");
    }
    return stats;
}

struct restoration lazy_load(const struct options *options, struct vcpus *vcpus)
{
    struct restoration done = { 0 };
    struct MigrationIncomingState guest = { 0 };

    const uint64_t begun = now_ns();
    struct UffdSnapshot *snapshot = uffd_snapshot_open(options->snapshot);
    if (!snapshot) {
        fail("opening the snapshot");
    }
    create_ram(&guest, snapshot, options->memory);
    attach(&guest, options);
    load(&guest, snapshot, options);
    vcpus_start(vcpus, &guest);
    wait_until_loaded(&guest);
    done.all_ns = now_ns() - begun;

    vcpus_join(vcpus);
    restoration_add_times(&done, vcpus, begun);
    done.stats = detach(&guest);
    uffd_snapshot_close(snapshot);
    done.guest = guest;
    return done;
}
