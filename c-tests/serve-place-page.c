/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A page may be placed before any thread touches it; then it is not requested. A present page keeps its content. */
#include <string.h>

#include "vm.h"

static void check_kind(enum ram_kind kind)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, kind, 3);
    vm_setup(vm);
    vm_place(vm, ram, 1);
    CHECK_EQ(vm_received(vm, ram, 1), 1);
    CHECK_PAGE(ram, 1);

    /* Present: success, and its bytes stay, also those that the guest wrote since. */
    CHECK_OK(uffd_incoming_place_page(vm, ram, ram_page(ram, 1), ram_source(ram, 2)));
    CHECK_PAGE(ram, 1);
    *ram_page(ram, 1) = 0;
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 1)));
    vm_place(vm, ram, 1);
    CHECK_EQ(*ram_page(ram, 1), 0);
    CHECK_EQ(ram_page(ram, 1)[1], ram_source(ram, 1)[1]);
    CHECK_EQ(vm->handled, 0);

    CHECK_EQ(vm_received(vm, ram, 0), 0);
    CHECK_PAGE(ram, 0);
    CHECK_EQ(vm->handled, 1);
    vm_end(vm);
}

int main(void)
{
    check_kind(RAM_ANON);
    check_kind(RAM_MEMFD_SHARED);
    check_kind(RAM_MEMFD_PRIVATE);
    return 0;
}
