/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../demo/mapped-ram-write.h"
#include "counters.h"
#include "page-cache.h"
#include "scratch.h"
#include "snapshot-load.h"
#include "watch.h"

#define TARGET_PAGE 4096
#define STALE_BYTE 0xee

struct image {
    struct machine *machine;
    int fd, description_fd;
    uint8_t *kinds[MAX_BLOCKS]; /* enum page_kind of each target page */
    off_t offsets[MAX_BLOCKS];  /* of the blocks' pages in the file */
    UffdSnapshot *snapshot;
    char *working_set; /* the path, or NULL */
    off_t end;         /* of the file, while it is cut short */
    uint8_t *tail;     /* what was behind that; else NULL */
    size_t tail_length;
};

static void choose_kinds(struct image *image, unsigned block, struct random *random)
{
    RAMBlock *rb = image->machine->memories[block].rb;
    const size_t pages = rb->length / TARGET_PAGE;
    uint8_t *kinds = malloc(pages);

    CHECK(kinds != NULL);
    for (size_t page = 0; page < pages;) {
        const unsigned which = (unsigned)random_below(random, 10);
        const enum page_kind kind = which < 6 ? PAGE_DATA : which < 8 ? PAGE_ZERO : PAGE_STALE;
        size_t run = random_from(random, 1, random_percent(random, 15) ? 1500 : 24);

        for (; run > 0 && page < pages; run--, page++) {
            kinds[page] = (uint8_t)kind;
            if (kind != PAGE_DATA) {
                memset(rb->source + page * TARGET_PAGE, 0, TARGET_PAGE);
            }
        }
    }
    image->kinds[block] = kinds;
}

/* Whether the library has to read the file for a page. There is nothing stale in a flat image: zeros are written instead. */
static bool is_held(const struct image *image, unsigned block, size_t page)
{
    return image->kinds[block][page] == PAGE_DATA ||
           (image->machine->plan->flat && image->kinds[block][page] == PAGE_STALE);
}

static enum page_kind give_page(const void *opaque, size_t block, uint64_t page, void *bytes)
{
    const struct image *image = opaque;
    const enum page_kind kind = image->kinds[block][page];

    memset(bytes, STALE_BYTE, TARGET_PAGE);
    if (kind == PAGE_DATA) {
        memcpy(bytes, image->machine->memories[block].rb->source + page * TARGET_PAGE, TARGET_PAGE);
    }
    return kind;
}

static void write_mapped_ram(struct image *image)
{
    struct mapped_ram_block blocks[MAX_BLOCKS] = { 0 };
    struct mapped_ram_file file = {
        .target_page_size = TARGET_PAGE,
        .blocks = blocks,
        .block_count = image->machine->plan->block_count,
        .page = give_page,
        .opaque = image,
    };

    for (unsigned i = 0; i < file.block_count; i++) {
        blocks[i].idstr = image->machine->memories[i].rb->idstr;
        blocks[i].length = image->machine->memories[i].rb->length;
    }
    CHECK_EQ(mapped_ram_write(image->fd, &file), 0);
    for (unsigned i = 0; i < file.block_count; i++) {
        image->offsets[i] = (off_t)blocks[i].pages_offset;
    }
    image->snapshot = uffd_snapshot_open_fd(image->fd, 0);
}

static void write_flat(struct image *image)
{
    char path[64];
    off_t at = 0;

    image->description_fd = memfd_create("description", MFD_CLOEXEC);
    CHECK(image->description_fd >= 0);
    dprintf(image->description_fd, "uffd-incoming flat 1\nimage /proc/self/fd/%d\n", image->fd);
    for (unsigned i = 0; i < image->machine->plan->block_count; i++) {
        const RAMBlock *rb = image->machine->memories[i].rb;

        image->offsets[i] = at;
        dprintf(image->description_fd, "block %jd %zu %s\n", (intmax_t)at, rb->length, rb->idstr);
        for (size_t page = 0; page < rb->length / TARGET_PAGE; page++, at += TARGET_PAGE) {
            if (is_held(image, i, page)) {
                CHECK_EQ(pwrite(image->fd, rb->source + page * TARGET_PAGE, TARGET_PAGE, at), TARGET_PAGE);
            }
        }
    }
    CHECK_EQ(ftruncate(image->fd, at), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", image->description_fd);
    image->snapshot = uffd_snapshot_open(path);
}

struct image *image_new(struct machine *machine)
{
    struct image *image = calloc(1, sizeof(*image));
    char name[32];

    CHECK(image != NULL);
    image->machine = machine;
    image->fd = machine->plan->direct_io ? scratch_file() : memfd_create("image", MFD_CLOEXEC);
    image->description_fd = -1;
    CHECK(image->fd >= 0);
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        choose_kinds(image, i, &machine->random);
    }
    (machine->plan->flat ? write_flat : write_mapped_ram)(image);
    if (image->snapshot == NULL) {
        FAIL("expected a snapshot, saw %s: %s", strerror(errno), uffd_incoming_error());
    }
    page_cache_drop(image->fd);
    if (machine->plan->working_set) {
        snprintf(name, sizeof(name), "working-set-%u", machine->plan->number);
        image->working_set = scratch_path(name);
    }
    return image;
}

void image_free(struct image *image)
{
    uffd_snapshot_close(image->snapshot);
    close(image->fd);
    if (image->description_fd >= 0) {
        close(image->description_fd);
    }
    for (unsigned i = 0; i < image->machine->plan->block_count; i++) {
        free(image->kinds[i]);
    }
    if (image->working_set != NULL) {
        unlink(image->working_set);
        free(image->working_set);
    }
    free(image);
}

/* What lies behind the end may be poisoned from now on, where that can be: in pages of the host's size. */
static void lose(struct image *image, off_t end)
{
    for (unsigned i = 0; i < image->machine->plan->block_count; i++) {
        struct memory *memory = &image->machine->memories[i];

        for (size_t page = 0; memory->poisonable && page < memory->rb->pages; page++) {
            if (is_held(image, i, page) && image->offsets[i] + (off_t)((page + 1) * TARGET_PAGE) > end) {
                memory->pages[page].lost = true;
            }
        }
    }
}

/*
 * At whole pages, and growing from there: a file that ends within a page, or is longer before it is whole, would
 * show zeros that were never in it, and nobody could tell.
 */
void image_cut_short(struct image *image, struct random *random)
{
    struct stat status;

    if (image->tail != NULL) {
        return;
    }
    CHECK_EQ(fstat(image->fd, &status), 0);
    const off_t pages = status.st_size / TARGET_PAGE;
    image->end = (off_t)random_below(random, (uint64_t)pages) * TARGET_PAGE;
    image->tail_length = (size_t)(status.st_size - image->end);
    image->tail = malloc(image->tail_length);
    CHECK(image->tail != NULL);
    CHECK_EQ(pread(image->fd, image->tail, image->tail_length, image->end), image->tail_length);
    lose(image, image->end);
    CHECK_EQ(ftruncate(image->fd, image->end), 0);
    counters.cuts++;
}

void image_mend(struct image *image)
{
    if (image->tail != NULL) {
        CHECK_EQ(pwrite(image->fd, image->tail, image->tail_length, image->end), image->tail_length);
        free(image->tail);
        image->tail = NULL;
    }
}

void image_cut(struct image *image, struct random *random)
{
    watch_doing("cuts the file", NULL, 0);
    image_cut_short(image, random);
    random_sleep(random, 4000);
    image_mend(image);
}

int image_load(struct image *image)
{
    const struct machine_plan *plan = image->machine->plan;
    const UffdLoadConfig config = {
        .size = sizeof(config),
        .flags = (plan->keep_present ? UFFD_LOAD_KEEP_PRESENT : 0) | (plan->background ? 0 : UFFD_LOAD_NO_BACKGROUND) |
                 (plan->map_private ? UFFD_LOAD_MAP_PRIVATE : 0),
        .loader_threads = plan->loader_threads,
        .working_set_record = image->working_set,
        .working_set_replay = image->machine->setup > 0 ? image->working_set : NULL,
    };

    return (plan->direct_io ? load_directly : uffd_incoming_load_snapshot)(&image->machine->vm, image->snapshot, &config);
}
