/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "touch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "client.h"
#include "counters.h"
#include "placing.h"
#include "watch.h"

/* What is read of a page at once, at most. */
#define PART 4096

int touch_advice(const struct memory *memory)
{
    return memory->kind == RAM_MEMFD_SHARED || memory->kind == RAM_HUGETLB_SHARED ? MADV_REMOVE : MADV_DONTNEED;
}

static void discard_now(struct memory *memory, size_t page, size_t pages, int advice, enum other other)
{
    const RAMBlock *rb = memory->rb;
    const bool freed = advice == MADV_FREE;

    for (size_t i = page; i < page + pages; i++) {
        memory_note(memory, i, freed ? "freed" : "discarded", (int64_t)pages);
    }
    CHECK_EQ(madvise(ram_page(rb, page), pages * rb->page_size, advice), 0);
    for (size_t i = page; i < page + pages; i++) {
        if (freed) {
            memory_freed(memory, i);
        } else {
            memory_discarded(memory, i, other);
        }
        memory_note(memory, i, freed ? "is freed" : "is discarded", other);
    }
    counters.discards += pages;
    counters.freed += freed ? pages : 0;
}

/*
 * Without tracking, only what was received can be discarded. What a snapshot has for it may then be on its way for a second
 * time, which nobody outside can know; what the handler's side has is held back by `placing`.
 */
static size_t discard_received(struct machine *machine, struct memory *memory, size_t page, size_t pages, int advice)
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
            discard_now(memory, first, i - first, advice, machine->plan->load ? OTHER_SOURCE : OTHER_NONE);
            discarded += i - first;
        }
    }
    for (size_t i = page; i < page + pages; i++) {
        CHECK_EQ(pthread_mutex_unlock(&memory->pages[i].placing), 0);
    }
    return discarded;
}

size_t touch_discard(struct machine *machine, struct memory *memory, size_t page, size_t pages, int advice)
{
    size_t discarded = pages;

    for (size_t i = page; i < page + pages; i++) {
        memory_lock(memory, i, true);
    }
    watch_doing("discards", memory->rb, page);
    if (machine_tracks(machine) || memory->removed) {
        discard_now(memory, page, pages, advice, machine_may_map(machine, memory) ? OTHER_SOURCE : OTHER_NONE);
    } else {
        discarded = discard_received(machine, memory, page, pages, advice);
    }
    for (size_t i = page; i < page + pages; i++) {
        memory_unlock(memory, i);
    }
    return discarded;
}

/*
 * Not of a load that does not track discards: what the source has may be on its way for a second time, and there would be
 * three things that a page may hold. And not of RAM that is mapped from the file, where what is discarded is in the file again.
 */
static bool may_free(const struct machine *machine, const struct memory *memory)
{
    return memory->kind == RAM_ANON && (machine_tracks(machine) || !machine->plan->load) &&
           !machine_may_map(machine, memory);
}

/* The kernel takes back what was freed when it needs memory, or now. */
static void free_some(struct machine *machine, struct random *random, struct memory *memory, size_t page, size_t pages)
{
    const RAMBlock *rb = memory->rb;

    touch_discard(machine, memory, page, pages, MADV_FREE);
    if (random_percent(random, 50)) {
        /* Linux 5.4 */
        CHECK(madvise(ram_page(rb, page), pages * rb->page_size, MADV_PAGEOUT) == 0 || errno == EINVAL);
    }
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
    if (random_percent(random, machine->plan->percent_freed) && may_free(machine, memory)) {
        free_some(machine, random, memory, page, pages);
    } else {
        touch_discard(machine, memory, page, pages, touch_advice(memory));
    }
}

/*
 * Whether a page can be touched, having been healed if need be: whoever finds it poisoned has its bytes from elsewhere, or
 * leaves it.
 */
static bool is_there(struct machine *machine, struct random *random, struct memory *memory, size_t page)
{
    bool there = memory_is_there(memory, page);

    if (!there && random_percent(random, machine->plan->percent_healed)) {
        placing_some(machine, memory, page, random, NULL);
        there = memory_is_there(memory, page);
        CHECK(there || machine->ending || memory->leaving);
        counters.healed += there;
    }
    return there;
}

/* What the other process sees, if it lives so long. */
static void read_as_process(struct client *client, struct memory *memory, size_t page, size_t from)
{
    uint8_t bytes[PART];

    if (client_read(client, page * memory->rb->page_size + from, bytes, sizeof(bytes))) {
        memory_check(memory, bytes, page, from, sizeof(bytes));
    }
}

static void read_some(struct machine *machine, struct random *random, struct memory *memory, uint8_t *view, size_t page)
{
    const size_t from = random_below(random, memory->rb->page_size / PART) * PART;
    struct client *client = machine->clients[memory - machine->memories];

    watch_doing("is about to read", memory->rb, page);
    memory_lock(memory, page, false);
    watch_doing("reads", memory->rb, page);
    if (client != NULL && client_is_process(client) && random_percent(random, 50)) {
        read_as_process(client, memory, page, from);
    } else if (is_there(machine, random, memory, page)) {
        memory_check(memory, view + page * memory->rb->page_size + from, page, from, PART);
    }
    memory_unlock(memory, page);
    counters.bytes += PART;
}

static void write_some(struct machine *machine, struct random *random, struct memory *memory, uint8_t *view, size_t page)
{
    const size_t word = random_below(random, memory->rb->page_size / sizeof(uint64_t));
    const uint64_t value = random_next(random);

    watch_doing("is about to write", memory->rb, page);
    memory_lock(memory, page, true);
    watch_doing("writes", memory->rb, page);
    if (is_there(machine, random, memory, page)) {
        memory_write(memory, view, page, word, value);
        memory_note(memory, page, "written at word", (int64_t)word);
    }
    memory_unlock(memory, page);
}

static void touch(struct machine *machine, struct random *random, struct memory *memory, size_t page)
{
    const unsigned what = (unsigned)random_below(random, 100);
    const bool as_client = random_percent(random, 50) && memory->alias != NULL;
    uint8_t *view = as_client ? memory->alias : memory->rb->host;

    if (what < 65) {
        read_some(machine, random, memory, view, page);
    } else if (what < 90) {
        write_some(machine, random, memory, view, page);
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
