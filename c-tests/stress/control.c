/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <stdlib.h>

#include "client.h"
#include "counters.h"
#include "image.h"
#include "invariants.h"
#include "postcopy.h"
#include "watch.h"

struct control {
    struct machine *machine;
    struct random random;
    atomic_bool end;
    pthread_t thread;
    UffdIncomingStats seen;
};

static void resume(struct machine *machine)
{
    watch_doing("resumes", NULL, 0);
    CHECK_OK(uffd_incoming_resume(&machine->vm));
    counters.resumes++;
}

static void pause_and_resume(struct control *control)
{
    watch_doing("pauses", NULL, 0);
    CHECK_OK(uffd_incoming_pause(&control->machine->vm));
    random_sleep(&control->random, 300);
    if (!control->machine->plan->load && random_percent(&control->random, 50)) {
        postcopy_ask_again(control->machine);
    }
    resume(control->machine);
}

static void be_refused(struct machine *machine)
{
    UffdRamBlock block = ram_describe(machine->memories[0].rb);

    watch_doing("tries what is refused", NULL, 0);
    CHECK_ERRNO(uffd_setup_incoming(&machine->vm, postcopy_handle, 1), -EBUSY);
    CHECK_ERRNO(uffd_incoming_configure(&machine->vm, NULL), -EBUSY);
    CHECK_ERRNO(uffd_incoming_attach(&machine->vm, NULL), -EBUSY);
    CHECK_ERRNO(uffd_incoming_detach(&machine->vm), -EBUSY);
    CHECK_ERRNO(uffd_incoming_add_ram_block(&machine->vm, machine->memories[0].rb, &block), -EBUSY);
    if (machine->image != NULL) {
        CHECK_ERRNO(image_load(machine->image), -EBUSY);
    }
}

/*
 * Never the first block. A load that is not complete goes on without a block only if that is dropped. The block's client is
 * no longer served: it unregisters its RAM, and its missing pages are zeros, too.
 */
static void remove_block(struct control *control)
{
    struct machine *machine = control->machine;
    const unsigned which = (unsigned)random_below(&control->random, machine->plan->block_count);
    struct memory *memory = &machine->memories[which];

    const bool drops = machine->plan->load || random_percent(&control->random, 50);

    if (which == 0 || memory->leaving || !machine->plan->removes) {
        return;
    }
    watch_doing("removes", memory->rb, 0);
    machine_lose(machine, memory);
    CHECK_OK((drops ? uffd_incoming_drop_ram_block : uffd_incoming_remove_ram_block)(&machine->vm, memory->rb));
    memory->removed = true;
    memory->added = false;
    if (machine->clients[which] != NULL) {
        client_unregister(machine->clients[which]);
        counters.removals_with_client++;
    }
    counters.removals++;
    counters.drops += drops;
}

static void control_postcopy(struct control *control, unsigned what)
{
    struct machine *machine = control->machine;
    size_t page;
    struct memory *memory = machine_pick(machine, &control->random, &page);

    if (what < 40) {
        watch_doing("asks again", NULL, 0);
        postcopy_ask_again(machine);
    } else if (what < 90) {
        watch_doing("marks received", memory->rb, page);
        postcopy_mark(machine, memory, page);
    } else {
        remove_block(control);
    }
}

/* Not one whose block is removed: another one would wait for pages in vain. */
static void control_client(struct control *control)
{
    struct machine *machine = control->machine;
    const uint64_t which = random_below(&control->random, machine->plan->block_count);
    struct client *client = machine->memories[which].removed ? NULL : machine->clients[which];

    if (client != NULL && client_is_process(client) && random_percent(&control->random, 50)) {
        client_kill(client, &control->random);
    } else if (client != NULL) {
        client_remove_and_add(client, &control->random);
    }
}

static void act(struct control *control)
{
    struct machine *machine = control->machine;
    const unsigned what = (unsigned)random_below(&control->random, 100);

    if (what < 5) {
        pause_and_resume(control);
    } else if (what < 15) {
        CHECK_OK(uffd_incoming_notify(&machine->vm));
    } else if (what < 35) {
        watch_doing("checks invariants", NULL, 0);
        check_invariants(machine, &control->seen);
    } else if (what < 40) {
        be_refused(machine);
    } else if (what < 50) {
        control_client(control);
    } else if (!machine->plan->load) {
        control_postcopy(control, (unsigned)random_below(&control->random, 100));
    } else if (machine->plan->cuts && what < 60) {
        image_cut(machine->image, &control->random);
    } else if (what < 65) {
        remove_block(control);
    }
}

static void *run(void *opaque)
{
    struct control *control = opaque;
    struct machine *machine = control->machine;

    watch_enter("control", machine->plan->number, 0);
    if (machine->plan->load) {
        random_sleep(&control->random, 20000);
        image_mend(machine->image);
    }
    while (!control->end) {
        watch_doing("sleeps", NULL, 0);
        random_sleep(&control->random, 1000);
        if (vm_stats(&machine->vm).paused) {
            random_sleep(&control->random, 500);
            resume(machine);
        }
        act(control);
    }
    watch_leave();
    return NULL;
}

struct control *control_start(struct machine *machine)
{
    struct control *control = calloc(1, sizeof(*control));

    CHECK(control != NULL);
    control->machine = machine;
    control->random = machine_random(machine, RANDOM_CONTROL);
    CHECK_EQ(pthread_create(&control->thread, NULL, run, control), 0);
    return control;
}

void control_stop(struct control *control)
{
    control->end = true;
    CHECK_EQ(pthread_join(control->thread, NULL), 0);
    free(control);
}
