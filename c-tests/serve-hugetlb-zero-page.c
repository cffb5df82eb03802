/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Zero pages of hugetlbfs, for which Linux has no UFFDIO_ZEROPAGE: placed, marked received, and discarded ones. */
#include "vm.h"

static void check_kind(enum ram_kind kind)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, kind, 4);
    vm_setup(vm);
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 0)));
    CHECK_ZEROS(ram, 0);
    CHECK_EQ(vm_received(vm, ram, 0), 1);

    CHECK_OK(uffd_incoming_mark_received(vm, ram, ram->page_size, ram->page_size));
    CHECK_ZEROS(ram, 1);

    CHECK_PAGE(ram, 2);
    AWAIT(vm_received(vm, ram, 2) == 1);
    ram_discard(ram, 2, 1);
    CHECK_ZEROS(ram, 2);

    CHECK_PAGE(ram, 3);
    CHECK_EQ(vm->handled, 2);
    AWAIT(vm_stats(vm).zero_pages_placed == 3);
    vm_end(vm);
}

int main(void)
{
    check_kind(RAM_HUGETLB_PRIVATE);
    check_kind(RAM_HUGETLB_SHARED);
    return 0;
}
