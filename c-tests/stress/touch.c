/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "touch.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "tally.h"
#include "watch.h"

/* What is read of a page at once, at most. */
#define PART 4096

static void discard_now(struct memory *memory, size_t page, size_t pages, enum other other)
{
    const RAMBlock *rb = memory->rb;
    const bool shared = memory->kind == RAM_MEMFD_SHARED || memory->kind == RAM_HUGETLB_SHARED;

    for (size_t i = page; i < page + pages; i++) {
        memory_note(memory, i, "discarded", (int64_t)pages);
    }
    CHECK_EQ(madvise(ram_page(rb, page), pages * rb->page_size, shared ? MADV_REMOVE : MADV_DONTNEED), 0);
    for (size_t i = page; i < page + pages; i++) {
        memory_discarded(memory, i, other);
        memory_note(memory, i, "is discarded", other);
    }
    tally.discards += pages;
}

/*
 * Without tracking, only what was received can be discarded. What a snapshot has for it may then be on its way for a second
 * time, which nobody outside can know; what the handler's side has is held back by `placing`.
 */
static size_t discard_received(struct machine *machine, struct memory *memory, size_t page, size_t pages)
{
    const size_t size = memory->rb->page_size;
    size_t discarded = 0;

    for (size_t i = page; i < page + pages; i++) {
        CHECK_EQ(pthread_mutex_lock(&memory->pages[i].placing), 0);
    }
    for (size_t i = page, first; i < page + pages; i++) {
        for (first = i; i < page + pages &&
                        uffd_incoming_page_received(&machine->vm, memory->rb, i * size) == 1;
             i++) {
            memory->pages[i].settled = true;
        }
        if (i > first) {
            discard_now(memory, first, i - first, machine->plan->load ? OTHER_SOURCE : OTHER_NONE);
            discarded += i - first;
        }
    }
    for (size_t i = page; i < page + pages; i++) {
        CHECK_EQ(pthread_mutex_unlock(&memory->pages[i].placing), 0);
    }
    return discarded;
}

size_t touch_discard(struct machine *machine, struct memory *memory, size_t page, size_t pages)
{
    size_t discarded = pages;

    for (size_t i = page; i < page + pages; i++) {
        memory_lock(memory, i, true);
    }
    watch_doing("discards", memory->rb, page);
    if (machine_tracks(machine) || memory->removed) {
        discard_now(memory, page, pages, OTHER_NONE);
    } else {
        discarded = discard_received(machine, memory, page, pages);
    }
    for (size_t i = page; i < page + pages; i++) {
        memory_unlock(memory, i);
    }
    return discarded;
}

static void discard_some(struct machine *machine, struct random *random, struct memory *memory, size_t page)
{
    size_t pages = random_from(random, 1, random_percent(random, 10) ? 700 : 8);

    if (memory->kind >= RAM_HUGETLB_PRIVATE) {
        pages = 1;
    }
    if (pages > memory->rb->pages - page) {
        pages = memory->rb->pages - page;
    }
    watch_doing("is about to discard", memory->rb, page);
    touch_discard(machine, memory, page, pages);
}

static void read_some(struct random *random, struct memory *memory, uint8_t *view, size_t page)
{
    const size_t from = random_below(random, memory->rb->page_size / PART) * PART;

    watch_doing("is about to read", memory->rb, page);
    memory_lock(memory, page, false);
    watch_doing("reads", memory->rb, page);
    memory_check(memory, view, page, from, PART);
    memory_unlock(memory, page);
    tally.bytes += PART;
}

static void write_some(struct random *random, struct memory *memory, uint8_t *view, size_t page)
{
    const size_t word = random_below(random, memory->rb->page_size / sizeof(uint64_t));
    const uint64_t value = random_next(random);

    watch_doing("is about to write", memory->rb, page);
    memory_lock(memory, page, true);
    watch_doing("writes", memory->rb, page);
    memory_write(memory, view, page, word, value);
    memory_note(memory, page, "written at word", (int64_t)word);
    memory_unlock(memory, page);
}

static void touch(struct machine *machine, struct random *random, struct memory *memory, size_t page)
{
    const unsigned what = (unsigned)random_below(random, 100);
    const bool as_client = random_percent(random, 50) && memory->alias != NULL;
    uint8_t *view = as_client ? memory->alias : memory->rb->host;

    if (what < 65) {
        read_some(random, memory, view, page);
    } else if (what < 90) {
        write_some(random, memory, view, page);
    } else {
        discard_some(machine, random, memory, page);
    }
    watch_progress();
}

struct touchers {
    struct machine *machine;
    atomic_uint number;
    pthread_t threads[8];
};

/* All over the RAM, and here and there a run of pages one after the other. */
static void *run(void *opaque)
{
    struct touchers *touchers = opaque;
    struct machine *machine = touchers->machine;
    const unsigned number = touchers->number++;
    struct random random = machine_random(machine, RANDOM_TOUCHER + number);
    struct memory *memory = NULL;
    size_t page = 0, run = 0;

    watch_enter("toucher", machine->plan->number, number);
    machine->vcpus[number] = gettid();
    for (unsigned i = 0; i < machine->plan->touches; i++) {
        if (run > 0 && page + 1 < memory->rb->pages) {
            page++;
            run--;
        } else {
            memory = machine_pick(machine, &random, &page);
            run = random_percent(&random, 10) ? random_below(&random, 64) : 0;
        }
        touch(machine, &random, memory, page);
    }
    watch_leave();
    return NULL;
}

struct touchers *touchers_start(struct machine *machine)
{
    struct touchers *touchers = calloc(1, sizeof(*touchers));

    CHECK(touchers != NULL);
    touchers->machine = machine;
    for (unsigned i = 0; i < machine->plan->touchers; i++) {
        CHECK_EQ(pthread_create(&touchers->threads[i], NULL, run, touchers), 0);
    }
    return touchers;
}

void touchers_join(struct touchers *touchers)
{
    for (unsigned i = 0; i < touchers->machine->plan->touchers; i++) {
        CHECK_EQ(pthread_join(touchers->threads[i], NULL), 0);
    }
    free(touchers);
}
