/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "placing.h"

#include <stdlib.h>
#include <string.h>

#include "counters.h"
#include "queue.h"
#include "watch.h"

#define LONGEST_RANGE 16

struct random placing_choices(struct machine *machine, struct memory *memory, size_t page)
{
    const uint64_t block = (uint64_t)(memory - machine->memories);

    return random_of(machine->plan->seed ^ (block << 56) ^ ((uint64_t)page << 24), memory->pages[page].calls++);
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

void placing_some(struct machine *machine, struct memory *memory, size_t page, struct random *random, void *temp)
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

        if (placed != 0 && !machine_excuses(machine, memory, placed) && !machine_waits_for_huge_pages(memory, placed)) {
            FAIL("placing %zu pages from page %zu of %s: expected 0, saw %d: %s", pages, page, memory->rb->idstr, placed,
                 uffd_incoming_error());
        }
        counters.placed += placed == 0 ? pages : 0;
    }
    while (locked > 0) {
        locked--;
        CHECK_EQ(pthread_mutex_unlock(&memory->pages[page + locked].placing), 0);
    }
}

/* What the source sends of its own accord. */
static void push_some(struct machine *machine, struct random *random)
{
    size_t page;
    struct memory *memory = machine_pick(machine, random, &page);

    watch_doing("pushes", memory->rb, page);
    placing_some(machine, memory, page, random, NULL);
}

void placing_until(struct machine *machine, unsigned number, atomic_bool *end)
{
    struct random random = machine_random(machine, RANDOM_PLACER + number);
    struct memory *memory;
    size_t page;

    while (!*end) {
        watch_doing("waits for work", NULL, 0);
        if (queue_pop(machine->queue, &memory, &page)) {
            struct random choice = placing_choices(machine, memory, page);

            watch_doing("places", memory->rb, page);
            if (random_percent(&choice, 20)) {
                random_sleep(&choice, machine->plan->latest_us);
            }
            if (random_permille(&choice, machine->plan->permille_lost)) {
                memory_note(memory, page, "lost", 0);
            } else {
                placing_some(machine, memory, page, &choice, NULL);
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
    placing_until(placers->machine, number, &placers->end);
    watch_leave();
    return NULL;
}

struct placers *placers_start(struct machine *machine)
{
    struct placers *placers = calloc(1, sizeof(*placers));

    CHECK(placers != NULL);
    placers->machine = machine;
    placers->count = machine->plan->placers;
    for (unsigned i = 0; i < placers->count; i++) {
        CHECK_EQ(pthread_create(&placers->threads[i], NULL, run, placers), 0);
    }
    return placers;
}

void placers_stop(struct placers *placers)
{
    if (placers == NULL) {
        return;
    }
    placers->end = true;
    for (unsigned i = 0; i < placers->count; i++) {
        CHECK_EQ(pthread_join(placers->threads[i], NULL), 0);
    }
    free(placers);
}
