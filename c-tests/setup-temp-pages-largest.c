/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Each temporary page is as large as the largest page of any block. */
#include <string.h>

#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 1);
    RAMBlock *huge = vm_add_ram(vm, RAM_HUGETLB_PRIVATE, 2);

    CHECK_OK(uffd_setup_incoming(vm, vm_serve_page, 2));
    for (unsigned i = 0; i < 2; i++) {
        memcpy(uffd_incoming_temp_page(vm, i), ram_source(huge, i), HUGE_PAGE);
    }
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(uffd_incoming_place_page(vm, huge, ram_page(huge, i), uffd_incoming_temp_page(vm, i)));
        CHECK_PAGE(huge, i);
    }
    CHECK_EQ(vm->handled, 0);
    vm_end(vm);
    return 0;
}
