/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* If the guest discards a received page, it reads zeros, and the handler is not asked for the page again. */
#include "vm.h"

static void check_kind(enum ram_kind kind)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, kind, 4);
    vm_setup(vm);
    CHECK_PAGE(ram, 1);
    vm_place(vm, ram, 2);
    AWAIT(vm_received(vm, ram, 1) == 1);
    ram_discard(ram, 1, 2);
    CHECK_ZEROS(ram, 1);
    touch_write(&toucher, ram_page(ram, 2), 9);
    toucher_finish(&toucher);
    CHECK_EQ(ram_page(ram, 2)[0], 9);
    CHECK_EQ(ram_page(ram, 2)[1], 0);
    CHECK_EQ(vm->handled, 1);

    /* Placing over it, now that it is missing again, is the program's business; the library did not. */
    CHECK_PAGE(ram, 0);
    CHECK_EQ(vm->handled, 2);
    AWAIT(vm_stats(vm).zero_pages_placed == 2);
    vm_end(vm);
}

int main(void)
{
    check_kind(RAM_ANON);
    check_kind(RAM_MEMFD_SHARED);
    check_kind(RAM_MEMFD_PRIVATE);
    return 0;
}
