/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A range of huge pages is placed around one that is present. */
#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_HUGETLB_SHARED, 4);
    vm_setup(vm);
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 1)));
    CHECK_OK(uffd_incoming_place_range(vm, ram, ram->host, ram->source, ram->length));
    CHECK_PAGE(ram, 0);
    CHECK_ZEROS(ram, 1);
    CHECK_PAGE(ram, 2);
    CHECK_PAGE(ram, 3);
    CHECK_EQ(vm->handled, 0);
    vm_end(vm);
    return 0;
}
