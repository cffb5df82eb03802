/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_TRACK_DISCARDS, threads discard RAM during a load while others touch it. Discarded pages read as
 * zeros from then on, all others have the snapshot's content, and the load completes.
 */
#include <string.h>
#include <sys/mman.h>

#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES (SANITIZED ? 2048 : 8192)
#define SECONDS_PER_LOAD 30
#define ROUNDS 2
#define DISCARDERS 3
#define TOUCHERS 2

struct part {
    MigrationIncomingState *vm;
    const RAMBlock *ram;
    int advice;
    uint32_t state; /* of a generator of numbers */
    size_t first, end;
    bool discarded[PAGES];
};

static uint32_t next(struct part *part, uint32_t below)
{
    part->state = part->state * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)(part->state >> 8) * below) >> 24);
}

/* Later, there is nothing to race with. */
static bool is_loading(MigrationIncomingState *vm)
{
    return !vm_stats(vm).complete;
}

/* Discards pages of its own, and looks at what it gets. */
static void *discard(void *opaque)
{
    struct part *part = opaque;

    for (unsigned i = 0; is_loading(part->vm); i++) {
        size_t page = part->first + next(part, (uint32_t)(part->end - part->first));
        size_t pages = 1 + next(part, i % 8 == 0 ? 512 : 16);

        if (page + pages > part->end) {
            pages = part->end - page;
        }
        CHECK_EQ(madvise(ram_page(part->ram, page), pages * part->ram->page_size, part->advice), 0);
        memset(part->discarded + page, true, pages);
        CHECK_ZEROS(part->ram, page);
        page = part->first + next(part, (uint32_t)(part->end - part->first));
        if (part->discarded[page]) {
            CHECK_ZEROS(part->ram, page);
        } else {
            CHECK_PAGE(part->ram, page);
        }
    }
    return NULL;
}

/* Touches pages of everybody's. */
static void *touch(void *opaque)
{
    struct part *part = opaque;

    while (is_loading(part->vm)) {
        size_t page = next(part, PAGES);
        uint8_t seen = *(volatile uint8_t *)ram_page(part->ram, page);

        CHECK(seen == 0 || seen == *ram_source(part->ram, page));
    }
    return NULL;
}

static void check_load(RAMBlock *ram, enum ram_kind kind, const struct snapshot_file *file, uint32_t loader_threads,
                       unsigned round)
{
    static struct part parts[DISCARDERS + TOUCHERS];
    const UffdLoadConfig config = { .size = sizeof(config), .loader_threads = loader_threads };
    pthread_t threads[DISCARDERS + TOUCHERS];
    MigrationIncomingState *vm = file->vm;

    alarm(SECONDS_PER_LOAD);
    CHECK_OK(load_with(vm, file->snapshot, &config));
    for (unsigned i = 0; i < DISCARDERS + TOUCHERS; i++) {
        parts[i] = (struct part) {
            .vm = vm,
            .ram = ram,
            .advice = kind == RAM_MEMFD_SHARED ? MADV_REMOVE : MADV_DONTNEED,
            .state = 1 + i + 100 * round,
            .first = i * (PAGES / DISCARDERS),
            .end = (i + 1) * (PAGES / DISCARDERS),
        };
        CHECK_EQ(pthread_create(&threads[i], NULL, i < DISCARDERS ? discard : touch, &parts[i]), 0);
    }
    for (unsigned i = 0; i < DISCARDERS + TOUCHERS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_OK(uffd_incoming_wait(vm, -1));
    /* What is missing is zeros afterwards, and there sooner than by faults. */
    CHECK_OK(uffd_incoming_cleanup(vm));
    for (unsigned i = 0; i < DISCARDERS; i++) {
        for (size_t page = parts[i].first; page < parts[i].end; page++) {
            if (parts[i].discarded[page]) {
                CHECK_ZEROS(ram, page);
            } else {
                CHECK_PAGE(ram, page);
            }
        }
    }
}

static void check_loads(enum ram_kind kind, uint32_t loader_threads)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_TRACK_DISCARDS;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, kind, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);

    for (unsigned round = 0; round < ROUNDS; round++) {
        check_load(ram, kind, file, loader_threads, round);
        ram_discard(ram, 0, PAGES); /* the file of a private mapping has to be empty */
    }
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_loads(RAM_ANON, 1);
    check_loads(RAM_ANON, 2);
    check_loads(RAM_MEMFD_SHARED, 1);
    check_loads(RAM_MEMFD_PRIVATE, 1);
    return 0;
}
