/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A resume comes while the handler runs. If that call fails, it is repeated at once, without a pause. */
#include <errno.h>
#include <semaphore.h>

#include "vm.h"

static atomic_uint calls;
static sem_t fail_now;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (calls++ == 0) {
        sem_wait(&fail_now);
        return -EIO;
    }
    return vm_serve_page(vm, rb, offset, fault_address);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 1);
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;

    sem_init(&fail_now, 0, 0);
    vm_setup(vm);
    touch_read(&toucher, ram->host);
    AWAIT(calls == 1);
    CHECK_OK(uffd_incoming_resume(vm));
    sem_post(&fail_now);
    CHECK_EQ(toucher_finish(&toucher), *ram->source);
    CHECK_PAGE(ram, 0);
    CHECK_EQ(calls, 2);
    CHECK_EQ(vm_stats(vm).source_errors, 1);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -EIO), 0);
    vm_end(vm);
    return 0;
}
