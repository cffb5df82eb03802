/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * restore: restores the RAM of a snapshot while the threads of a guest use it, and compares every byte with a plain
 * read of the file. It can measure other ways to restore the same snapshot, too.
 */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "comparison.h"
#include "host-memory.h"
#include "options.h"
#include "plain-read.h"
#include "random-reads.h"
#include "report.h"
#include "restoration.h"
#include "system-calls.h"
#include "vcpus.h"
#include "working-set.h"

#define MIB (1 << 20)
#define LOCAL_PIECE (2 * MIB)

static const struct {
    const char *name;
    struct restoration (*restore)(const struct options *options, struct vcpus *vcpus);
} ways[] = {
    { "lazy load", lazy_load },
    { "full read", full_read },
    { "private mapping", private_mapping },
};
#define WAYS (sizeof(ways) / sizeof(*ways))

/* What is known of the snapshot beforehand, and what has been seen so far. */
struct demo {
    const struct options *options;
    struct MigrationIncomingState described; /* the RAM blocks of the snapshot; they are not mapped */
    uint64_t ram_bytes;
    uint64_t data_bytes;
    struct plain_snapshot file;      /* the snapshot, as a plain read sees it */
    struct plain_snapshot reference; /* what the RAM is compared with */
    uint64_t latency[HISTOGRAM_BUCKETS]; /* of the guest's accesses in lazy loads */
    uint64_t faults;
    size_t restores;
    bool identical;
};

/* Compares every byte; prints a line for each RAM block if asked to, or if one differs. */
static void check_bytes(struct demo *demo, const char *way, const struct MigrationIncomingState *guest)
{
    char *lines = NULL;
    size_t length = 0;
    FILE *table = open_memstream(&lines, &length);

    if (!table) {
        err(2, "open_memstream");
    }
    const bool identical = compare(&demo->reference, guest, table);
    fclose(table);
    if (!identical) {
        printf("%s: the RAM differs\n", way);
    }
    if (!identical || demo->options->table) {
        fputs(lines, stdout);
    }
    free(lines);
    demo->identical &= identical;
    demo->restores++;
}

/* Restores once, and returns what it took. */
static struct figures restore_once(struct demo *demo, size_t way)
{
    const struct options *options = demo->options;
    struct figures figures = { .way = ways[way].name };
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct working_set local =
        working_set_choose(&demo->described, options->working_set, LOCAL_PIECE, options->seed);
    struct working_set scattered =
        working_set_choose(&demo->described, options->working_set, page, options->seed + 1);
    struct vcpus vcpus = vcpus_create(options->threads, &local, &scattered, options->seed);

    struct restoration done = ways[way].restore(options, &vcpus);
    figures.error = done.error;
    if (done.error == 0) {
        check_bytes(demo, ways[way].name, &done.guest);
        figures.ns[FIRST_PAGE] = done.first_page_ns;
        figures.ns[LOCAL_WORKING_SET] = done.local_ns;
        figures.ns[SCATTERED_WORKING_SET] = done.scattered_ns;
        figures.ns[ALL] = done.all_ns;
        figures.ns[RANDOM_READ] = random_read_ns(&done.guest);
    }
    if (ways[way].restore == lazy_load) {
        demo->faults += done.stats.faults;
        vcpus_add_latency(&vcpus, demo->latency);
    }
    guest_destroy(&done.guest);
    vcpus_free(&vcpus);
    working_set_free(&local);
    working_set_free(&scattered);
    return figures;
}

/* Makes the same beginning for each restore that is measured. */
static void prepare_host(const struct demo *demo)
{
    const uint64_t bytes = demo->ram_bytes + (demo->options->cold ? demo->data_bytes : 0);
    void *memory = take_memory(bytes);

    if (demo->options->cold) {
        empty_page_cache(&demo->file);
    } else {
        fill_page_cache(&demo->file);
    }
    give_back_memory(memory, bytes);
}

static void measure_all(struct demo *demo)
{
    struct figures figures[WAYS];

    printf("%" PRIu64 " MiB of RAM, %" PRIu64 " MiB of data %s%s\n", demo->ram_bytes / MIB, demo->data_bytes / MIB,
           demo->options->cold ? "on the disk" : "in the page cache",
           demo->options->direct_io ? "; the lazy load uses direct reads" : "");
    fflush(stdout);
    for (size_t way = 0; way < WAYS; way++) {
        prepare_host(demo);
        figures[way] = restore_once(demo, way);
    }
    report_figures(figures, WAYS, demo->options->working_set);
    puts("A private mapping copies no page at first. It lacks huge pages, RAM that other processes share\n"
         "(memfd, vhost-user), and independence of the file, which must not change until all is copied.");
    report_latency(demo->latency, demo->faults);
}

static void load_only(struct demo *demo)
{
    const struct figures figures = restore_once(demo, 0);

    printf("%" PRIu64 " MiB of RAM; first page %.1f ms, all %.1f ms, %" PRIu64 " faults\n", demo->ram_bytes / MIB,
           (double)figures.ns[FIRST_PAGE] / 1e6, (double)figures.ns[ALL] / 1e6, demo->faults);
}

/* Reads which RAM blocks the snapshot has. */
static void describe(struct demo *demo)
{
    struct UffdSnapshotBlock block = { .size = sizeof(block) };
    struct UffdSnapshot *snapshot = uffd_snapshot_open(demo->options->snapshot);

    if (!snapshot) {
        errx(2, "opening the snapshot: %s", uffd_incoming_error());
    }
    for (size_t i = 0; uffd_snapshot_block(snapshot, i, &block) == 0; i++) {
        guest_add_block(&demo->described, block.idstr, block.length);
        demo->ram_bytes += block.length;
        demo->data_bytes += block.data_bytes;
    }
    uffd_snapshot_close(snapshot);
}

int main(int argc, char **argv)
{
    const struct options options = options_parse(argc, argv);
    struct demo demo = { .options = &options, .identical = true };

    if (options.system_calls != NULL) {
        system_calls_read(options.system_calls);
    }
    describe(&demo);
    plain_open(&demo.file, options.snapshot);
    plain_open(&demo.reference, options.reference);
    if (options.baselines) {
        measure_all(&demo);
    } else {
        load_only(&demo);
    }
    printf("every byte compared: %s, in %zu restore%s of %" PRIu64 " MiB\n", demo.identical ? "identical" : "DIFFERENT",
           demo.restores, demo.restores == 1 ? "" : "s", demo.ram_bytes / MIB);

    plain_close(&demo.reference);
    plain_close(&demo.file);
    guest_destroy(&demo.described);
    return demo.identical ? 0 : 1;
}
