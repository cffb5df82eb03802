/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * While a mis is armed, a second setup, a new configuration, new RAM blocks and detaching give -EBUSY. The armed mis
 * is served as before.
 */
#include <errno.h>

#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 4);
    RAMBlock *ram = vm->blocks[0], *other = ram_new(RAM_ANON, 1);
    UffdRamBlock block = ram_describe(other);

    vm_setup(vm);
    CHECK_ERRNO(uffd_setup_incoming(vm, vm_serve_page, 1), -EBUSY);
    CHECK_ERRNO(postcopy_ram_incoming_setup(vm), -EBUSY);
    CHECK_ERRNO(uffd_incoming_attach(vm, &vm->config), -EBUSY);
    CHECK_ERRNO(uffd_incoming_configure(vm, &vm->config), -EBUSY);
    CHECK_ERRNO(uffd_incoming_configure(vm, NULL), -EBUSY);
    CHECK_ERRNO(uffd_incoming_add_ram_block(vm, other, &block), -EBUSY);
    CHECK_ERRNO(uffd_incoming_detach(vm), -EBUSY);
    for (size_t page = 0; page < ram->pages; page++) {
        CHECK_PAGE(ram, page);
    }
    CHECK_EQ(vm->handled, ram->pages);

    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_OK(uffd_incoming_add_ram_block(vm, other, &block));
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    vm_end(vm);
    ram_free(other);
    return 0;
}
