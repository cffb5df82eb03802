/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Cleanup and abort end a pause. A thread that waits for a page then reads zeros, and the next setup serves as usual.
 * After a failed handler, cleanup is refused and the pause stays, because a requested page is missing.
 */
#include <errno.h>

#include "vm.h"

static atomic_bool fails;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    return fails ? -EIO : vm_serve_page(vm, rb, offset, fault_address);
}

static void check_ends(MigrationIncomingState *vm, bool by_failure, int (*end)(MigrationIncomingState *vm))
{
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;

    fails = by_failure;
    vm_setup(vm);
    if (!by_failure) {
        CHECK_OK(uffd_incoming_pause(vm));
    }
    touch_read(&toucher, ram_page(ram, 0));
    AWAIT(vm_stats(vm).paused == 1);
    CHECK_WAITS(&toucher);
    if (by_failure) {
        CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
        CHECK_EQ(vm_stats(vm).paused, 1);
        CHECK_WAITS(&toucher);
    }
    CHECK_OK(end(vm));
    CHECK_EQ(toucher_finish(&toucher), 0);
    CHECK_ZEROS(ram, 0);
    CHECK_EQ(vm_stats(vm).paused, 0);
    CHECK_EQ(vm->handled, 0);

    ram_discard(ram, 0, ram->pages);
    fails = false;
    vm_setup(vm);
    CHECK_PAGE(ram, 0);
    vm->handled = 0;
    CHECK_OK(uffd_incoming_cleanup(vm));
    ram_discard(ram, 0, ram->pages);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 2);

    check_ends(vm, false, uffd_incoming_cleanup);
    check_ends(vm, false, uffd_incoming_abort);
    check_ends(vm, true, uffd_incoming_abort);
    vm_end(vm);
    return 0;
}
