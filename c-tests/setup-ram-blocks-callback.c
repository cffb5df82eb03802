/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Each setup calls ram_blocks on the caller's thread, with an empty table of blocks. The blocks that it adds are
 * removed by cleanup and by a failed setup. If it fails, the setup returns its error.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "resources.h"

static RAMBlock *ram;
static unsigned calls;
static int result;
static bool adds;

static int ram_blocks(MigrationIncomingState *vm)
{
    UffdRamBlock block = ram_describe(ram);

    calls++;
    CHECK_EQ(gettid(), getpid());
    CHECK_ERRNO(uffd_incoming_page_received(vm, ram, 0), -ENOENT);
    if (adds) {
        CHECK_OK(uffd_incoming_add_ram_block(vm, ram, &block));
        CHECK_OK(uffd_incoming_mark_received(vm, ram, 0, ram->page_size));
    }
    return result;
}

static void check_failure(MigrationIncomingState *vm, int expected)
{
    struct resources before = resources_count(vm);

    CHECK_ERRNO(postcopy_ram_incoming_setup(vm), expected);
    CHECK_RESOURCES(vm, before);
    CHECK_ERRNO(uffd_incoming_page_received(vm, ram, 0), -ENOENT);
    CHECK_EQ(vm_stats(vm).fault_threads, 0);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.ram_blocks = ram_blocks;
    vm_attach(vm);
    ram = ram_new(RAM_ANON, 3);
    for (unsigned round = 0; round < 3; round++) {
        adds = true;
        result = 0;
        CHECK_OK(postcopy_ram_incoming_setup(vm));
        CHECK_EQ(vm_received(vm, ram, 0), 1);
        CHECK_ZEROS(ram, 0);
        CHECK_PAGE(ram, 1);
        CHECK_OK(uffd_incoming_cleanup(vm));
        CHECK_ERRNO(uffd_incoming_page_received(vm, ram, 0), -ENOENT);
        ram_discard(ram, 0, ram->pages);

        result = -EXDEV;
        check_failure(vm, -EXDEV);
        result = 42;
        check_failure(vm, -EIO); /* no negative errno value */
        result = 0;
        adds = false;
        check_failure(vm, -EINVAL);
    }
    CHECK_EQ(calls, 12);
    vm_end(vm);
    ram_free(ram);
    return 0;
}
