/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A thread waits for a page that the handler was asked for. Cleanup is refused and changes nothing: the page can
 * still be placed. Abort is not refused.
 */
#include <errno.h>

#include "vm.h"

/* A thread waits for page 0; page 1 is in place. */
static MigrationIncomingState *start(struct toucher *toucher)
{
    MigrationIncomingState *vm = vm_with_ram(vm_serve_later, 2);

    vm_setup(vm);
    vm_place(vm, vm->blocks[0], 1);
    touch_read(toucher, vm->blocks[0]->host);
    AWAIT(vm->handled == 1);
    CHECK_WAITS(toucher);
    return vm;
}

static void check_cleanup_refuses(void)
{
    struct toucher toucher;
    MigrationIncomingState *vm = start(&toucher);

    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
    CHECK_ERROR_HAS("uffd_incoming_abort");
    CHECK_WAITS(&toucher);
    CHECK_EQ(vm_stats(vm).fault_threads, vm_fault_threads(vm));
    vm_place(vm, vm->blocks[0], 0);
    CHECK_EQ(toucher_finish(&toucher), *ram_source(vm->blocks[0], 0));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_PAGE(vm->blocks[0], 0);
    vm_end(vm);
}

static void check_abort_ends(void)
{
    struct toucher toucher;
    MigrationIncomingState *vm = start(&toucher);

    CHECK_OK(uffd_incoming_abort(vm));
    CHECK_EQ(toucher_finish(&toucher), 0);
    CHECK_ZEROS(vm->blocks[0], 0);
    CHECK_PAGE(vm->blocks[0], 1);
    vm_end(vm);
}

int main(void)
{
    check_cleanup_refuses();
    check_abort_ends();
    return 0;
}
