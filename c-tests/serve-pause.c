/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uffd_incoming_pause() returns when no handler runs. Then no fault is served until the resume. A second pause gives
 * 0.
 */
#include <semaphore.h>

#include "vm.h"

static atomic_bool entered, paused;
static sem_t serve_now;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (!entered) {
        entered = true;
        sem_wait(&serve_now);
    }
    return vm_serve_page(vm, rb, offset, fault_address);
}

static void *pause_now(void *vm)
{
    CHECK_OK(uffd_incoming_pause(vm));
    paused = true;
    return NULL;
}

static void check_paused(MigrationIncomingState *vm, size_t page)
{
    unsigned handled = vm->handled;
    struct toucher toucher;

    touch_read(&toucher, ram_page(vm->blocks[0], page));
    CHECK_WAITS(&toucher);
    CHECK_EQ(vm->handled, handled);
    CHECK_EQ(vm_stats(vm).paused, 1);
    CHECK_OK(uffd_incoming_pause(vm));
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(vm->blocks[0], page));
    CHECK_EQ(vm_stats(vm).paused, 0);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 3);
    RAMBlock *ram = vm->blocks[0];
    struct toucher first;
    pthread_t pauser;

    sem_init(&serve_now, 0, 0);
    vm_setup(vm);
    touch_read(&first, ram_page(ram, 0));
    AWAIT(entered);
    CHECK_EQ(pthread_create(&pauser, NULL, pause_now, vm), 0);
    let_wrong_things_happen();
    CHECK(!paused);
    sem_post(&serve_now);
    CHECK_EQ(pthread_join(pauser, NULL), 0);
    CHECK_EQ(toucher_finish(&first), *ram_source(ram, 0));
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, 0), 1);
    check_paused(vm, 1);

    CHECK_OK(uffd_incoming_pause(vm));
    check_paused(vm, 2);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, 0), 2);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_RESUMED, 0), 2);
    vm_end(vm);
    return 0;
}
