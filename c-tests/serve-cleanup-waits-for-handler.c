/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Cleanup and abort wait for a running handler, and its page is still placed. */
#include <semaphore.h>

#include "vm.h"

static atomic_bool entered, ended;
static sem_t serve_now;
static int (*end)(MigrationIncomingState *vm);

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    entered = true;
    sem_wait(&serve_now);
    CHECK(!ended);
    return vm_serve_page(vm, rb, offset, fault_address);
}

static void *end_it(void *vm)
{
    CHECK_OK(end(vm));
    ended = true;
    return NULL;
}

static void check_waits(int (*end_by)(MigrationIncomingState *vm))
{
    MigrationIncomingState *vm = vm_with_ram(serve, 1);
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;
    pthread_t ender;

    end = end_by;
    entered = ended = false;
    vm_setup(vm);
    touch_read(&toucher, ram->host);
    AWAIT(entered);
    CHECK_EQ(pthread_create(&ender, NULL, end_it, vm), 0);
    let_wrong_things_happen();
    CHECK(!ended);
    sem_post(&serve_now);
    CHECK_EQ(pthread_join(ender, NULL), 0);
    CHECK_EQ(toucher_finish(&toucher), *ram->source);
    CHECK_PAGE(ram, 0);
    vm_end(vm);
}

int main(void)
{
    sem_init(&serve_now, 0, 0);
    check_waits(uffd_incoming_cleanup);
    check_waits(uffd_incoming_abort);
    return 0;
}
