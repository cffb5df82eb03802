/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_TRACK_DISCARDS, a thread that discards RAM waits neither for a handler nor for a pause, also if
 * the handler itself discards. A thread that waits for the discarded page reads zeros.
 */
#include <sys/mman.h>

#include "vm.h"

#define PAGES 16

static atomic_bool in_handler, may_end;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    (void)vm;
    (void)offset;
    (void)fault_address;
    ram_discard(rb, 9, 1);
    in_handler = true;
    AWAIT(may_end);
    return 0; /* on its way, and never comes */
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher first, second;

    vm->config.flags |= UFFD_INCOMING_TRACK_DISCARDS;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, PAGES);
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));

    touch_read(&first, ram_page(ram, 1));
    AWAIT(in_handler);
    AWAIT(vm_received(vm, ram, 9) == 1);
    ram_discard(ram, 0, 8);
    AWAIT(vm_received(vm, ram, 1) == 1);
    may_end = true;
    CHECK_EQ(toucher_finish(&first), 0);
    for (size_t page = 0; page < 8; page++) {
        CHECK_ZEROS(ram, page);
    }

    /* A page that is on its way. */
    in_handler = false;
    touch_read(&second, ram_page(ram, 10));
    AWAIT(in_handler);
    CHECK_WAITS(&second);
    CHECK_OK(uffd_incoming_pause(vm));
    ram_discard(ram, 10, 4);
    AWAIT(vm_received(vm, ram, 10) == 1);
    CHECK_WAITS(&second);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&second), 0);
    CHECK_ZEROS(ram, 13);
    CHECK_EQ(vm_received(vm, ram, 14), 0);
    vm_end(vm);
    return 0;
}
