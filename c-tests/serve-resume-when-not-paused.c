/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A resume has no effect on later failures if nothing is paused and no handler runs. */
#include <errno.h>

#include "vm.h"

static atomic_bool fails;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (fails) {
        fails = false;
        vm->handled++;
        return -EIO;
    }
    return vm_serve_page(vm, rb, offset, fault_address);
}

static void check_pauses(MigrationIncomingState *vm, size_t page)
{
    unsigned pauses = vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -EIO);
    unsigned handled = vm->handled;
    struct toucher toucher;

    fails = true;
    touch_read(&toucher, ram_page(vm->blocks[0], page));
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -EIO) == pauses + 1);
    CHECK_WAITS(&toucher);
    CHECK_EQ(vm->handled, handled + 1);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(vm->blocks[0], page));
    CHECK_EQ(vm->handled, handled + 2);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 4);

    vm_setup(vm);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_OK(uffd_incoming_resume(vm));
    check_pauses(vm, 0);
    check_pauses(vm, 1);
    CHECK_PAGE(vm->blocks[0], 2);
    CHECK_OK(uffd_incoming_resume(vm));
    check_pauses(vm, 3);
    vm_end(vm);
    return 0;
}
