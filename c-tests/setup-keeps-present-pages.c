/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A setup discards nothing: present pages keep their content, and the handler is not asked for them. */
#include <string.h>

#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    for (enum ram_kind kind = RAM_ANON; kind <= RAM_MEMFD_PRIVATE; kind++) {
        RAMBlock *ram = vm_add_ram(vm, kind, 2);
        memset(ram->host, 0, 2 * ram->page_size); /* present, and zeros */
        ram_discard(ram, 1, 1);
    }
    vm_setup(vm);
    for (unsigned i = 0; i < vm->block_count; i++) {
        CHECK_ZEROS(vm->blocks[i], 0);
        CHECK_PAGE(vm->blocks[i], 1);
    }
    CHECK_EQ(vm->handled, vm->block_count);
    vm_end(vm);
    return 0;
}
