/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "run.h"

#include <errno.h>
#include <string.h>

#include "arming.h"
#include "client.h"
#include "control.h"
#include "counters.h"
#include "invariants.h"
#include "placing.h"
#include "queue.h"
#include "touch.h"
#include "watch.h"

static bool may_wait_for_huge_pages(const struct machine *machine, int error)
{
    unsigned i = 0;

    while (i < machine->plan->block_count && !machine_waits_for_huge_pages(&machine->memories[i], error)) {
        i++;
    }
    return i < machine->plan->block_count;
}

static void start_clients(struct machine *machine)
{
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        if (machine->plan->blocks[i].client != CLIENT_NONE) {
            machine->clients[i] = client_new(machine, &machine->memories[i], machine->plan->blocks[i].client);
        }
    }
}

static void for_each_client(struct machine *machine, void (*what)(struct client *))
{
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        if (machine->clients[i] != NULL) {
            what(machine->clients[i]);
        }
    }
}

static void check_all(struct machine *machine)
{
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        counters.bytes += memory_check_all(&machine->memories[i]);
    }
}

/*
 * Waits until all pages are loaded or poisoned. Returns whether the load is complete. The control resumes what its cuts have paused.
 */
static bool await_load(struct machine *machine)
{
    int waited;

    watch_doing("waits for the load", NULL, 0);
    while ((waited = uffd_incoming_wait(&machine->vm, 100)) != 0 && machine->poisoned_events == 0) {
        if ((waited == -EIO && machine->plan->cuts) || may_wait_for_huge_pages(machine, waited)) {
            random_sleep(&machine->random, 1000);
        } else if (waited != -ETIMEDOUT) {
            FAIL("waiting for the load: expected 0, saw %d: %s", waited, uffd_incoming_error());
        }
    }
    return waited == 0;
}

/* The end of a load that has poisoned pages: it is complete as soon as all of them are placed, and not before. */
static bool heal(struct machine *machine)
{
    counters.poisoned_loads++;
    CHECK(machine_poisons(machine));
    CHECK_EQ(machine->complete_events, 0);
    if (random_percent(&machine->random, 50)) {
        return false;
    }
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        struct memory *memory = &machine->memories[i];

        for (size_t page = 0; page < memory->rb->pages; page++) {
            if (vm_received(&machine->vm, memory->rb, page) == 0) {
                CHECK(!memory_is_there(memory, page));
                CHECK_ERRNO(uffd_incoming_wait(&machine->vm, -1), -EIO);
                vm_place(&machine->vm, memory->rb, page);
                CHECK(memory_is_there(memory, page));
            }
        }
    }
    return true;
}

/* When all pages are in place, and none is being placed, discards are exact even if they are not tracked. */
static void discard_at_the_end(struct machine *machine)
{
    CHECK_OK(uffd_incoming_pause(&machine->vm));
    CHECK_OK(uffd_incoming_resume(&machine->vm));
    for (unsigned i = 0; i < 10; i++) {
        size_t page;
        struct memory *memory = machine_pick(machine, &machine->random, &page);

        CHECK_EQ(touch_discard(machine, memory, page, 1, touch_advice(memory)), 1);
        if (!machine_may_map(machine, memory)) {
            memory->pages[page].other = OTHER_NONE;
        }
    }
    check_all(machine);
}

static void finish(struct machine *machine, struct touchers *touchers, struct control *control)
{
    touchers_join(touchers);
    check_all(machine);
    bool complete = !machine->plan->load || await_load(machine);
    control_stop(control);
    if (machine_poisons(machine)) {
        placers_stop(machine->placers);
        machine->placers = NULL;
        complete = uffd_incoming_wait(&machine->vm, -1) == 0 || heal(machine);
    }
    if (machine->plan->load) {
        CHECK_EQ(uffd_incoming_wait(&machine->vm, -1), complete ? 0 : -EIO);
    }
    if (machine->plan->load && complete) {
        discard_at_the_end(machine);
    }
    check_invariants_at_end(machine, complete);
    watch_doing("cleans up", NULL, 0);
    machine->ending = true;
    CHECK_OK(uffd_incoming_cleanup(&machine->vm));
    CHECK_OK(uffd_incoming_cleanup(&machine->vm));
}

static void break_off(struct machine *machine, struct touchers *touchers, struct control *control)
{
    random_sleep(&machine->random, 50000);
    control_stop(control);
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        if (!machine->memories[i].removed) {
            machine_lose(machine, &machine->memories[i]);
        }
    }
    watch_doing("aborts", NULL, 0);
    machine->ending = true;
    CHECK_OK(uffd_incoming_abort(&machine->vm));
    for_each_client(machine, client_unregister);
    touchers_join(touchers);
}

static void run_setup(struct machine *machine)
{
    const struct machine_plan *plan = machine->plan;
    const bool aborts = random_percent(&machine->random, plan->percent_abort);

    for (unsigned i = 0; i < plan->block_count; i++) {
        watch_doing("prepares", machine->memories[i].rb, 0);
        machine_prepare(machine, &machine->memories[i]);
    }
    while (random_percent(&machine->random, plan->percent_fail)) {
        machine_fail_to_arm(machine);
    }
    machine->quit = machine->ending = false;
    machine->complete_events = machine->poisoned_events = machine->messages = 0;
    watch_doing("arms", NULL, 0);
    CHECK_OK(machine_arm(machine));
    start_clients(machine);

    machine->placers = placers_start(machine);
    struct control *control = control_start(machine);
    struct touchers *touchers = touchers_start(machine);
    (aborts ? break_off : finish)(machine, touchers, control);
    placers_stop(machine->placers);
    queue_clear(machine->queue);
    for_each_client(machine, client_free);
    memset(machine->clients, 0, sizeof(machine->clients));

    check_all(machine);
    for (unsigned i = 0; i < plan->block_count; i++) {
        memory_keep_freed(&machine->memories[i]);
    }
    machine->setup++;
    counters.setups++;
}

void machine_run(const struct machine_plan *plan)
{
    watch_enter("driver", plan->number, 0);
    struct machine *machine = machine_new(plan);

    while (machine->setup < plan->setups) {
        run_setup(machine);
    }
    machine_free(machine);
    watch_leave();
}
