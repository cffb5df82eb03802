/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "postcopy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue.h"
#include "watch.h"

#define LONGEST_RANGE 16

/* The choices for one call about one page: the same whichever thread makes it. */
static struct random choices(struct machine *machine, struct memory *memory, size_t page)
{
    const uint64_t block = (uint64_t)(memory - machine->memories);

    return random_of(machine->plan->seed ^ (block << 56) ^ ((uint64_t)page << 24), memory->pages[page].calls++);
}

void postcopy_choose_zeros(struct machine *machine, struct memory *memory)
{
    struct random random = random_of(machine->plan->seed, (uint64_t)(memory - machine->memories));

    for (size_t page = 0; page < memory->rb->pages; page++) {
        if (random_percent(&random, 10)) {
            memset(memory->rb->source + page * memory->rb->page_size, 0, memory->rb->page_size);
        }
    }
}

static bool is_zeros(const struct memory *memory, size_t page)
{
    const uint8_t *source = ram_source(memory->rb, page);

    return *source == 0 && memcmp(source, source + 1, memory->rb->page_size - 1) == 0;
}

static int place(struct machine *machine, struct memory *memory, size_t page, size_t pages, struct random *random,
                 void *temp)
{
    RAMBlock *rb = memory->rb;
    const void *from = ram_source(rb, page);

    if (pages > 1) {
        memory_note(memory, page, "placed with those behind", (int64_t)pages);
        return uffd_incoming_place_range(&machine->vm, rb, ram_page(rb, page), from, pages * rb->page_size);
    }
    if (is_zeros(memory, page) && random_percent(random, 80)) {
        memory_note(memory, page, "placed as zeros", 0);
        return uffd_incoming_place_zero_page(&machine->vm, rb, ram_page(rb, page));
    }
    if (temp != NULL && random_percent(random, 50)) {
        memcpy(temp, from, rb->page_size);
        from = temp;
    }
    memory_note(memory, page, "placed", 0);
    return uffd_incoming_place_page(&machine->vm, rb, ram_page(rb, page), from);
}

/*
 * Places a page, and some behind it. Where discards are not tracked it is up to the caller not to place what was
 * discarded; where they are, the library sees to it.
 */
static void place_some(struct machine *machine, struct memory *memory, size_t page, struct random *random, void *temp)
{
    size_t wanted = random_percent(random, machine->plan->percent_range) ? random_from(random, 2, LONGEST_RANGE) : 1;
    size_t locked = 0, pages = 0;

    while (locked < wanted && page + locked < memory->rb->pages) {
        CHECK_EQ(pthread_mutex_lock(&memory->pages[page + locked].placing), 0);
        locked++;
        if (memory->pages[page + pages].settled) {
            break;
        }
        pages++;
    }
    if (pages > 0) {
        const int placed = place(machine, memory, page, pages, random, temp);

        if (placed != 0 && !machine_excuses(machine, memory, placed)) {
            FAIL("placing %zu pages from page %zu of %s: expected 0, saw %d: %s", pages, page, memory->rb->idstr, placed,
                 uffd_incoming_error());
        }
    }
    while (locked > 0) {
        locked--;
        CHECK_EQ(pthread_mutex_unlock(&memory->pages[page + locked].placing), 0);
    }
}

static int handle(struct machine *machine, struct memory *memory, size_t page)
{
    const struct machine_plan *plan = machine->plan;
    struct random random = choices(machine, memory, page);
    const bool fails = random_permille(&random, plan->permille_fails);

    memory_note(memory, page, fails ? "asked for, in vain" : "asked for", 0);
    if (random_percent(&random, 10)) {
        random_sleep(&random, plan->latest_us);
    }
    if (fails && random_percent(&random, 50)) {
        return -EIO;
    }
    if (random_percent(&random, plan->percent_at_once)) {
        /* It lives until the cleanup, which waits for this thread but not for the placers; and it has room for one page. */
        void *temp = plan->fault_threads == 1 ? uffd_incoming_temp_page(&machine->vm, 0) : NULL;

        place_some(machine, memory, page, &random, temp);
    } else {
        queue_push(machine->queue, memory, page);
    }
    return fails ? -EPROTO : 0;
}

int postcopy_handle(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    struct machine *machine = machine_of(mis);
    struct memory *memory = machine_memory(machine, rb);
    const uint8_t *address = fault_address;

    CHECK(memory != NULL);
    CHECK(!memory->removed);
    CHECK(offset < rb->length && offset % rb->page_size == 0);
    CHECK(address >= rb->host + offset && address < rb->host + offset + rb->page_size);
    CHECK(++machine->handlers <= machine->plan->fault_threads);
    watch_doing("handles", rb, offset / rb->page_size);
    const int handled = handle(machine, memory, offset / rb->page_size);
    machine->handlers--;
    watch_doing("has handled", rb, offset / rb->page_size);
    return handled;
}

/* What the source sends of its own accord. */
static void push_some(struct machine *machine, struct random *random)
{
    size_t page;
    struct memory *memory = machine_pick(machine, random, &page);

    watch_doing("pushes", memory->rb, page);
    place_some(machine, memory, page, random, NULL);
}

static void place_until(struct machine *machine, unsigned number, atomic_bool *end)
{
    struct random random = machine_random(machine, RANDOM_PLACER + number);
    struct memory *memory;
    size_t page;

    while (!*end) {
        watch_doing("waits for work", NULL, 0);
        if (queue_pop(machine->queue, &memory, &page)) {
            struct random choice = choices(machine, memory, page);

            watch_doing("places", memory->rb, page);
            if (random_percent(&choice, 20)) {
                random_sleep(&choice, machine->plan->latest_us);
            }
            if (random_permille(&choice, machine->plan->permille_lost)) {
                memory_note(memory, page, "lost", 0);
            } else {
                place_some(machine, memory, page, &choice, NULL);
            }
        } else if (machine->plan->push && !machine->ending) {
            push_some(machine, &random);
        }
    }
}

struct placers {
    struct machine *machine;
    atomic_bool end;
    atomic_uint number;
    unsigned count;
    pthread_t threads[2];
};

static void *run(void *opaque)
{
    struct placers *placers = opaque;
    const unsigned number = placers->number++;

    watch_enter("placer", placers->machine->plan->number, number);
    place_until(placers->machine, number, &placers->end);
    watch_leave();
    return NULL;
}

struct placers *placers_start(struct machine *machine)
{
    struct placers *placers = calloc(1, sizeof(*placers));

    CHECK(placers != NULL);
    placers->machine = machine;
    placers->count = machine->plan->load ? 0 : machine->plan->placers;
    for (unsigned i = 0; i < placers->count; i++) {
        CHECK_EQ(pthread_create(&placers->threads[i], NULL, run, placers), 0);
    }
    return placers;
}

void placers_stop(struct placers *placers)
{
    placers->end = true;
    for (unsigned i = 0; i < placers->count; i++) {
        CHECK_EQ(pthread_join(placers->threads[i], NULL), 0);
    }
    free(placers);
}

void postcopy_preempt_run(MigrationIncomingState *mis)
{
    struct machine *machine = machine_of(mis);

    place_until(machine, machine->plan->placers + 2, &machine->quit);
}

void postcopy_preempt_quit(MigrationIncomingState *mis)
{
    machine_of(mis)->quit = true;
}

void postcopy_mark(struct machine *machine, struct memory *memory, size_t page)
{
    RAMBlock *rb = memory->rb;
    struct page *it = &memory->pages[page];

    CHECK_EQ(pthread_mutex_lock(&it->placing), 0);
    if (uffd_incoming_page_received(&machine->vm, rb, page * rb->page_size) == 0) {
        memory_may_be_zeros(memory, page);
        it->settled = true;
        memory_note(memory, page, "marked received", 0);
        const int marked = uffd_incoming_mark_received(&machine->vm, rb, page * rb->page_size, rb->page_size);
        if (marked != 0 && !machine_excuses(machine, memory, marked)) {
            FAIL("marking page %zu of %s: expected 0, saw %d: %s", page, rb->idstr, marked, uffd_incoming_error());
        }
    }
    CHECK_EQ(pthread_mutex_unlock(&it->placing), 0);
}

static int ask_again(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *opaque)
{
    struct memory *memory = machine_memory(opaque, rb);

    CHECK(memory != NULL && offset < rb->length && machine_of(mis) == opaque);
    memory_note(memory, offset / rb->page_size, "asked for again", 0);
    queue_push(machine_of(mis)->queue, memory, offset / rb->page_size);
    return 0;
}

void postcopy_ask_again(struct machine *machine)
{
    if (!queue_is_empty(machine->queue)) {
        return;
    }
    CHECK_EQ(uffd_incoming_foreach_requested(&machine->vm, ask_again, machine), 0);
}
