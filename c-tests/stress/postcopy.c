/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "postcopy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "placing.h"
#include "queue.h"
#include "watch.h"

void postcopy_choose_zeros(struct machine *machine, struct memory *memory)
{
    struct random random = random_of(machine->plan->seed, (uint64_t)(memory - machine->memories));

    for (size_t page = 0; page < memory->rb->pages; page++) {
        if (random_percent(&random, 10)) {
            memset(memory->rb->source + page * memory->rb->page_size, 0, memory->rb->page_size);
        }
    }
}

static int handle(struct machine *machine, struct memory *memory, size_t page)
{
    const struct machine_plan *plan = machine->plan;
    struct random random = placing_choices(machine, memory, page);
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

        placing_some(machine, memory, page, &random, temp);
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

void postcopy_preempt_run(MigrationIncomingState *mis)
{
    struct machine *machine = machine_of(mis);

    placing_until(machine, machine->plan->placers + 2, &machine->quit);
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
