/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Cleanup and abort with a page still on its way: who waits for it goes on with zeros, as documented. */
#include "vm.h"

static void check_ends(int (*end)(MigrationIncomingState *vm))
{
    MigrationIncomingState *vm = vm_with_ram(vm_serve_later, 2);
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;

    vm_setup(vm);
    vm_place(vm, ram, 1);
    touch_read(&toucher, ram->host);
    AWAIT(vm->handled == 1);
    CHECK_WAITS(&toucher);
    CHECK_OK(end(vm));
    CHECK_EQ(toucher_finish(&toucher), 0);
    CHECK_ZEROS(ram, 0);
    CHECK_PAGE(ram, 1);
    vm_end(vm);
}

int main(void)
{
    check_ends(uffd_incoming_cleanup);
    check_ends(uffd_incoming_abort);
    return 0;
}
