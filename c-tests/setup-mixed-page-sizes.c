/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One mis has blocks of every kind and page size. The handler is asked for pages of the block's size, and each has
 * the right content.
 */
#include "vm.h"

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    CHECK_EQ(offset % rb->page_size, 0);
    CHECK_EQ((uintptr_t)fault_address / rb->page_size, (uintptr_t)(rb->host + offset) / rb->page_size);
    return vm_serve_page(vm, rb, offset, fault_address);
}

int main(void)
{
    const unsigned pages = 3;
    MigrationIncomingState *vm = vm_new();

    vm->config.page_handler = serve;
    vm_attach(vm);
    for (enum ram_kind kind = 0; kind < RAM_KINDS; kind++) {
        vm_add_ram(vm, kind, pages);
    }
    vm_setup(vm);
    for (unsigned page = 0; page < pages; page++) {
        for (unsigned i = 0; i < vm->block_count; i++) {
            CHECK_PAGE(vm->blocks[i], page);
        }
    }
    CHECK_EQ(vm->handled, pages * RAM_KINDS);
    AWAIT(vm_stats(vm).pages_placed == pages * RAM_KINDS);

    /* What has been placed stays. */
    CHECK_OK(uffd_incoming_cleanup(vm));
    for (unsigned i = 0; i < vm->block_count; i++) {
        CHECK_PAGE(vm->blocks[i], 0);
    }
    vm_end(vm);
    return 0;
}
