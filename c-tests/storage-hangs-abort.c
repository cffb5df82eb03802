/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Pause and abort wait for a read that the storage does not answer. A resume ends the wait of the pause. An answer of
 * the storage, or its end, ends the wait of the abort. Threads in uffd_incoming_wait() return as soon as the load is
 * aborted.
 */
#include <errno.h>

#include "snapshot-load.h"
#include "storage.h"
#include "waiter.h"

#define PAGES 4096
#define HANGING 3000

/* A thread in a call of the library. */
struct caller {
    pthread_t thread;
    MigrationIncomingState *vm;
    int (*call)(MigrationIncomingState *vm);
    int result;
    atomic_bool returned;
};

static void *call(void *opaque)
{
    struct caller *caller = opaque;

    caller->result = caller->call(caller->vm);
    caller->returned = true;
    return NULL;
}

static void caller_start(struct caller *caller, MigrationIncomingState *vm,
                         int (*function)(MigrationIncomingState *vm))
{
    caller->vm = vm;
    caller->call = function;
    caller->returned = false;
    CHECK_EQ(pthread_create(&caller->thread, NULL, call, caller), 0);
}

static int caller_finish(struct caller *caller)
{
    AWAIT(caller->returned);
    CHECK_EQ(pthread_join(caller->thread, NULL), 0);
    return caller->result;
}

static void check_load(bool cached, void (*end)(struct storage *storage))
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct storage *storage = storage_of(vm, cached);
    struct toucher toucher;
    struct waiter waiter;
    struct caller pausing, aborting;

    CHECK_EQ(snapshot_page_kind(HANGING), PAGE_DATA);
    storage_hangs(storage, HANGING, 1);
    load(vm, storage->file->snapshot, 0);
    touch_read(&toucher, ram_page(rb, HANGING));
    AWAIT(storage->orders->held > 0);

    caller_start(&pausing, vm, uffd_incoming_pause);
    AWAIT(vm_stats(vm).paused == 1);
    let_wrong_things_happen();
    CHECK(!pausing.returned);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(caller_finish(&pausing), 0);

    waiter_start(&waiter, vm);
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
    caller_start(&aborting, vm, uffd_incoming_abort);
    CHECK_EQ(waiter_finish(&waiter), -ECANCELED);
    CHECK_WAITS(&toucher);
    CHECK(!aborting.returned);
    CHECK_EQ(vm_stats(vm).complete, 0);

    end(storage);
    CHECK_EQ(caller_finish(&aborting), 0);
    toucher_finish(&toucher);

    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    for (int cached = 0; cached < 2; cached++) {
        check_load(cached, storage_dies);
        check_load(cached, storage_is_cut_off);
        check_load(cached, storage_heals);
    }
    return 0;
}
