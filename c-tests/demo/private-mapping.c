/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#define _GNU_SOURCE /* MAP_ANONYMOUS, madvise() */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "plain-read.h"
#include "restoration.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

#define PROTECTION (PROT_READ | PROT_WRITE)

/* Maps pages of the file over those of the block. Returns 0, or an errno value. */
static int map_pages(const struct plain_snapshot *file, const struct plain_block *block, uint8_t *host,
                     const struct plain_run *run)
{
    const uint64_t offset = run->first_page * block->page_size;
    void *mapped = mmap(host + offset, run->page_count * block->page_size, PROTECTION, MAP_PRIVATE | MAP_FIXED,
                        file->fd, (off_t)(block->pages_offset + offset));

    return mapped == MAP_FAILED ? errno : 0;
}

/* At once where the file has holes for zeros; otherwise each run of data by itself, and anonymous memory between. */
static int map_block(const struct plain_snapshot *file, const struct plain_block *block, struct RAMBlock *rb,
                     bool at_once)
{
    const uint64_t pages = plain_pages(block);
    const struct plain_run whole = { .page_count = pages };
    struct plain_run run;
    int error = 0;

    rb->host = mmap(NULL, rb->length, PROTECTION, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (rb->host == MAP_FAILED) {
        return errno;
    }
    if (at_once) {
        return map_pages(file, block, rb->host, &whole);
    }
    for (uint64_t page = 0; error == 0 && plain_next_run(block, page, pages, &run);
         page = run.first_page + run.page_count) {
        error = map_pages(file, block, rb->host, &run);
    }
    return error;
}

/* Copies every page that is still the file's. */
static void copy_pages(const struct plain_block *block, uint8_t *host)
{
    const uint64_t pages = plain_pages(block);
    struct plain_run run;

    for (uint64_t page = 0; plain_next_run(block, page, pages, &run); page = run.first_page + run.page_count) {
        uint8_t *start = host + run.first_page * block->page_size;
        const uint64_t length = run.page_count * block->page_size;

        if (madvise(start, length, MADV_POPULATE_WRITE) != 0) {
            for (uint64_t offset = 0; offset < length; offset += block->page_size) {
                volatile uint8_t *byte = start + offset;
                *byte = *byte;
            }
        }
    }
}

/* Whether each block can be mapped at once. It takes no part in the time: a flat file would need no such search. */
static bool *find_holes(const char *path)
{
    struct plain_snapshot snapshot;

    plain_open(&snapshot, path);
    bool *holes = calloc(snapshot.block_count, sizeof(*holes));
    if (!holes) {
        err(2, "calloc");
    }
    for (size_t i = 0; i < snapshot.block_count; i++) {
        holes[i] = plain_zeros_are_holes(&snapshot, &snapshot.blocks[i]);
    }
    plain_close(&snapshot);
    return holes;
}

static int map_all(const struct plain_snapshot *file, struct MigrationIncomingState *guest, const bool *holes)
{
    int error = 0;

    for (size_t i = 0; i < file->block_count && error == 0; i++) {
        const struct plain_block *block = &file->blocks[i];

        error = map_block(file, block, guest_add_block(guest, block->idstr, block->length), holes[i]);
    }
    return error;
}

struct restoration private_mapping(const struct options *options, struct vcpus *vcpus)
{
    struct restoration done = { 0 };
    struct plain_snapshot snapshot;
    bool *holes = find_holes(options->snapshot);

    const uint64_t begun = now_ns();
    plain_open(&snapshot, options->snapshot);
    done.error = map_all(&snapshot, &done.guest, holes);
    vcpus_start(vcpus, done.error == 0 ? &done.guest : NULL);
    vcpus_join(vcpus);
    if (done.error == 0) {
        for (size_t i = 0; i < snapshot.block_count; i++) {
            copy_pages(&snapshot.blocks[i], done.guest.blocks[i].host);
        }
        done.all_ns = now_ns() - begun;
        restoration_add_times(&done, vcpus, begun);
    }
    plain_close(&snapshot);
    free(holes);
    return done;
}
