/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A mis is set up, used and cleaned up many times. Each round starts with no page received, and leaves nothing
 * behind.
 */
#include "resources.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    struct resources before;

    vm->config.fault_threads = 2;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 4);
    vm_add_ram(vm, RAM_MEMFD_SHARED, 4);
    vm_add_ram(vm, RAM_MEMFD_PRIVATE, 4);
    for (unsigned round = 0; round < 20; round++) {
        if (round == 5) {
            before = resources_count(vm);
        }
        CHECK_OK(uffd_setup_incoming(vm, vm_serve_page, 1 + round % 2));
        CHECK_EQ(vm_stats(vm).faults, 0);
        vm->handled = 0;
        for (unsigned i = 0; i < vm->block_count; i++) {
            CHECK_EQ(vm_received(vm, vm->blocks[i], 1), 0);
            CHECK_PAGE(vm->blocks[i], 1);
        }
        CHECK_EQ(vm->handled, vm->block_count);
        CHECK_OK(round % 3 == 2 ? uffd_incoming_abort(vm) : uffd_incoming_cleanup(vm));
        for (unsigned i = 0; i < vm->block_count; i++) {
            CHECK_ZEROS(vm->blocks[i], 2);
            ram_discard(vm->blocks[i], 0, 4);
        }
    }
    CHECK_RESOURCES(vm, before);
    vm_end(vm);
    return 0;
}
