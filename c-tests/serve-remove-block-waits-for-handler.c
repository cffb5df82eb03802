/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Removing a RAM block waits for the handler that runs for it. */
#include <semaphore.h>

#include "vm.h"

static atomic_bool entered, removed;
static sem_t return_now;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (rb != vm->blocks[0]) {
        return vm_serve_page(vm, rb, offset, fault_address);
    }
    entered = true;
    sem_wait(&return_now);
    CHECK(!removed);
    return 0;
}

static void *remove_block(void *opaque)
{
    MigrationIncomingState *vm = opaque;

    CHECK_OK(uffd_incoming_remove_ram_block(vm, vm->blocks[0]));
    removed = true;
    return NULL;
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 1);
    RAMBlock *ram = vm->blocks[0], *other = vm_add_ram(vm, RAM_ANON, 1);
    struct toucher toucher;
    pthread_t remover;

    sem_init(&return_now, 0, 0);
    vm_setup(vm);
    touch_read(&toucher, ram->host);
    AWAIT(entered);
    CHECK_EQ(pthread_create(&remover, NULL, remove_block, vm), 0);
    let_wrong_things_happen();
    CHECK(!removed);
    sem_post(&return_now);
    CHECK_EQ(pthread_join(remover, NULL), 0);
    CHECK_EQ(toucher_finish(&toucher), 0);
    CHECK_PAGE(other, 0);
    vm_end(vm);
    return 0;
}
