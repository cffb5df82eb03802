/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * If a block's range is not mapped, wholly or partly, the setup fails, names the block and the address, and leaves
 * nothing behind.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "resources.h"

static void check_unmapped(size_t first, size_t count)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2);
    RAMBlock *good = vm->blocks[0], *gone = ram_new(RAM_ANON, 4);
    char address[32];

    vm->config.log = vm_no_message; /* undoing has nothing to warn of */
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    vm_setup(vm);
    CHECK_OK(uffd_incoming_cleanup(vm));
    vm_add_block(vm, gone);
    CHECK_EQ(munmap(ram_page(gone, first), count * gone->page_size), 0);
    snprintf(address, sizeof(address), "%lx", (unsigned long)gone->host);
    struct resources before = resources_count(vm);

    int returned = uffd_setup_incoming(vm, vm_serve_page, 1);
    CHECK(returned < 0);
    CHECK_ERROR_HAS(gone->idstr);
    CHECK_ERROR_HAS(address);
    CHECK_RESOURCES(vm, before);
    CHECK_ZEROS(good, 0);

    CHECK_OK(uffd_incoming_remove_ram_block(vm, gone));
    vm_setup(vm);
    CHECK_PAGE(good, 1);
    vm_end(vm);
}

int main(void)
{
    check_unmapped(0, 4);
    check_unmapped(1, 2);
    return 0;
}
