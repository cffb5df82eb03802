/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * setup_done runs on the caller's thread, when faults are served already. It may place pages and mark them received.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "vm.h"

static unsigned calls;

static int setup_done(MigrationIncomingState *vm)
{
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;

    calls++;
    CHECK_EQ(gettid(), getpid());
    CHECK(uffd_incoming_temp_page(vm, 0) != NULL);
    CHECK_OK(uffd_incoming_mark_received(vm, ram, 0, ram->page_size));
    vm_place(vm, ram, 1);
    touch_read(&toucher, ram_page(ram, 2));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 2));
    return 0;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.setup_done = setup_done;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 4);
    vm_setup(vm);
    CHECK_EQ(calls, 1);
    CHECK_EQ(vm->handled, 1);
    CHECK_ZEROS(ram, 0);
    CHECK_PAGE(ram, 1);
    CHECK_PAGE(ram, 2);
    CHECK_EQ(vm->handled, 1);
    CHECK_PAGE(ram, 3);
    CHECK_EQ(vm->handled, 2);

    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    CHECK_EQ(calls, 2);
    vm_end(vm);
    return 0;
}
