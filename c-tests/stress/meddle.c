/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "meddle.h"

#include <errno.h>
#include <stdlib.h>

#include "client.h"
#include "image.h"
#include "looking.h"
#include "postcopy.h"
#include "tally.h"
#include "watch.h"

struct meddler {
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
    tally.resumes++;
}

static void pause_and_resume(struct meddler *meddler)
{
    watch_doing("pauses", NULL, 0);
    CHECK_OK(uffd_incoming_pause(&meddler->machine->vm));
    random_sleep(&meddler->random, 300);
    if (!meddler->machine->plan->load && random_percent(&meddler->random, 50)) {
        postcopy_ask_again(meddler->machine);
    }
    resume(meddler->machine);
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
 * Never the first block. A load that is not complete goes on without a block only if that is dropped. Nobody serves the block's client
 * any more: it is let go, and what is missing is zeros to it, too.
 */
static void remove_block(struct meddler *meddler)
{
    struct machine *machine = meddler->machine;
    const unsigned which = (unsigned)random_below(&meddler->random, machine->plan->block_count);
    struct memory *memory = &machine->memories[which];

    const bool drops = machine->plan->load || random_percent(&meddler->random, 50);

    if (which == 0 || memory->leaving || !machine->plan->removes) {
        return;
    }
    watch_doing("removes", memory->rb, 0);
    machine_lose(machine, memory);
    CHECK_OK((drops ? uffd_incoming_drop_ram_block : uffd_incoming_remove_ram_block)(&machine->vm, memory->rb));
    memory->removed = true;
    memory->added = false;
    if (machine->clients[which] != NULL) {
        client_let_go(machine->clients[which]);
        tally.removals_with_client++;
    }
    tally.removals++;
    tally.drops += drops;
}

static void meddle_with_postcopy(struct meddler *meddler, unsigned what)
{
    struct machine *machine = meddler->machine;
    size_t page;
    struct memory *memory = machine_pick(machine, &meddler->random, &page);

    if (what < 40) {
        watch_doing("asks again", NULL, 0);
        postcopy_ask_again(machine);
    } else if (what < 90) {
        watch_doing("marks received", memory->rb, page);
        postcopy_mark(machine, memory, page);
    } else {
        remove_block(meddler);
    }
}

/* Not one whose block is removed: another one would wait for pages in vain. */
static void meddle_with_client(struct meddler *meddler)
{
    struct machine *machine = meddler->machine;
    const uint64_t which = random_below(&meddler->random, machine->plan->block_count);
    struct client *client = machine->memories[which].removed ? NULL : machine->clients[which];

    if (client != NULL && client_is_process(client) && random_percent(&meddler->random, 50)) {
        client_kill(client, &meddler->random);
    } else if (client != NULL) {
        client_go_and_come(client, &meddler->random);
    }
}

static void meddle(struct meddler *meddler)
{
    struct machine *machine = meddler->machine;
    const unsigned what = (unsigned)random_below(&meddler->random, 100);

    if (what < 5) {
        pause_and_resume(meddler);
    } else if (what < 15) {
        CHECK_OK(uffd_incoming_notify(&machine->vm));
    } else if (what < 35) {
        watch_doing("looks", NULL, 0);
        look(machine, &meddler->seen);
    } else if (what < 40) {
        be_refused(machine);
    } else if (what < 50) {
        meddle_with_client(meddler);
    } else if (!machine->plan->load) {
        meddle_with_postcopy(meddler, (unsigned)random_below(&meddler->random, 100));
    } else if (machine->plan->cuts && what < 60) {
        image_cut(machine->image, &meddler->random);
    } else if (what < 65) {
        remove_block(meddler);
    }
}

static void *run(void *opaque)
{
    struct meddler *meddler = opaque;
    struct machine *machine = meddler->machine;

    watch_enter("meddler", machine->plan->number, 0);
    if (machine->plan->load) {
        random_sleep(&meddler->random, 20000);
        image_mend(machine->image);
    }
    while (!meddler->end) {
        watch_doing("sleeps", NULL, 0);
        random_sleep(&meddler->random, 1000);
        if (vm_stats(&machine->vm).paused) {
            random_sleep(&meddler->random, 500);
            resume(machine);
        }
        meddle(meddler);
    }
    watch_leave();
    return NULL;
}

struct meddler *meddler_start(struct machine *machine)
{
    struct meddler *meddler = calloc(1, sizeof(*meddler));

    CHECK(meddler != NULL);
    meddler->machine = machine;
    meddler->random = machine_random(machine, RANDOM_MEDDLER);
    CHECK_EQ(pthread_create(&meddler->thread, NULL, run, meddler), 0);
    return meddler;
}

void meddler_stop(struct meddler *meddler)
{
    meddler->end = true;
    CHECK_EQ(pthread_join(meddler->thread, NULL), 0);
    free(meddler);
}
