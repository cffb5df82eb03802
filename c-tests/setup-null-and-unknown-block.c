/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Every function that takes a RAM block or another pointer gives -EINVAL for NULL, and -ENOENT for an unknown block.
 */
#include <errno.h>

#include "vm.h"

static void check_block(MigrationIncomingState *vm, RAMBlock *rb, const RAMBlock *ram, int expected)
{
    CHECK_ERRNO(uffd_incoming_place_page(vm, rb, ram->host, ram->source), expected);
    CHECK_ERRNO(uffd_incoming_place_zero_page(vm, rb, ram->host), expected);
    CHECK_ERRNO(uffd_incoming_place_range(vm, rb, ram->host, ram->source, ram->page_size), expected);
    CHECK_ERRNO(uffd_incoming_page_received(vm, rb, 0), expected);
    CHECK_ERRNO(uffd_incoming_mark_received(vm, rb, 0, ram->page_size), expected);
    CHECK_ERRNO(uffd_incoming_remove_ram_block(vm, rb), expected);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2);
    RAMBlock *ram = vm->blocks[0], *unknown = ram_new(RAM_ANON, 1);
    UffdRamBlock block = ram_describe(unknown);

    CHECK_ERRNO(uffd_incoming_add_ram_block(vm, NULL, &block), -EINVAL);
    CHECK_ERRNO(uffd_incoming_add_ram_block(vm, unknown, NULL), -EINVAL);
    CHECK_ERRNO(uffd_incoming_page_received(vm, NULL, 0), -EINVAL);
    CHECK_ERRNO(uffd_incoming_page_received(vm, unknown, 0), -ENOENT);

    vm_setup(vm);
    check_block(vm, NULL, ram, -EINVAL);
    check_block(vm, unknown, ram, -ENOENT);
    CHECK_ERRNO(uffd_incoming_place_page(vm, ram, NULL, ram->source), -EINVAL);
    CHECK_ERRNO(uffd_incoming_place_page(vm, ram, ram->host, NULL), -EINVAL);
    CHECK_ERRNO(uffd_incoming_place_zero_page(vm, ram, NULL), -EINVAL);
    CHECK_ERRNO(uffd_incoming_place_range(vm, ram, ram->host, NULL, ram->page_size), -EINVAL);
    CHECK_ERRNO(uffd_incoming_foreach_requested(vm, NULL, NULL), -EINVAL);
    CHECK_ERRNO(uffd_incoming_get_stats(vm, NULL), -EINVAL);
    CHECK_ERRNO(uffd_incoming_get_blocktime(vm, NULL), -EINVAL);
    CHECK_EQ(vm_received(vm, ram, 0), 0);
    CHECK_PAGE(ram, 0);
    vm_end(vm);
    ram_free(unknown);
    return 0;
}
