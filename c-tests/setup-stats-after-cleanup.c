/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Statistics stay readable after cleanup, until the next setup. A struct smaller than version 1 is refused. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 4);
    RAMBlock *ram = vm->blocks[0];
    UffdIncomingStats stats = { .size = offsetof(UffdIncomingStats, bytes_mapped) - 1 };

    vm_setup(vm);
    for (size_t page = 0; page < 3; page++) {
        CHECK_PAGE(ram, page);
    }
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 3)));
    CHECK_EQ(vm_stats(vm).fault_threads, vm_fault_threads(vm));
    CHECK_OK(uffd_incoming_cleanup(vm));

    CHECK_ERRNO(uffd_incoming_get_stats(vm, &stats), -EINVAL);
    CHECK_EQ(stats.faults, 0);
    /* As a caller of the first version of the header does. */
    stats.size = offsetof(UffdIncomingStats, bytes_mapped);
    stats.bytes_mapped = 4711;
    CHECK_OK(uffd_incoming_get_stats(vm, &stats));
    CHECK_EQ(stats.faults, 3);
    CHECK_EQ(stats.bytes_mapped, 4711);
    stats = vm_stats(vm);
    CHECK_EQ(stats.size, sizeof(stats));
    CHECK_EQ(stats.faults, 3);
    CHECK_EQ(stats.pages_placed, 3);
    CHECK_EQ(stats.zero_pages_placed, 1);
    CHECK_EQ(stats.pages_requested, 3);
    CHECK_EQ(stats.source_errors, 0);
    CHECK_EQ(stats.fault_threads, 0);
    CHECK_EQ(stats.paused, 0);
    CHECK_EQ(stats.reserved, 0);

    vm_setup(vm);
    CHECK_EQ(vm_stats(vm).faults, 0);
    CHECK_EQ(vm_stats(vm).pages_placed, 0);
    vm_end(vm);
    return 0;
}
