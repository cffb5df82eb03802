/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_TRACK_DISCARDS, cleanup and abort wait for a handler and for thread_stop. Both may discard RAM:
 * the library reads discard events until the end.
 */
#include <errno.h>
#include <string.h>

#include "vm.h"

#define PAGES 16

static atomic_bool in_handler;
static atomic_uint stopped;

static bool is_cleaning_up(MigrationIncomingState *vm)
{
    CHECK_ERRNO(uffd_incoming_configure(vm, NULL), -EBUSY);
    return strstr(uffd_incoming_error(), "the mis is being cleaned up") != NULL;
}

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    in_handler = true;
    AWAIT(is_cleaning_up(vm));
    let_wrong_things_happen(); /* such as the end of the thread that reads events */
    ram_discard(rb, 8, 4);
    return vm_serve_page(vm, rb, offset, fault_address);
}

static void discard_at_the_end(MigrationIncomingState *vm, const char *name)
{
    if (strcmp(name, "uffd/events") != 0) {
        ram_discard(vm->blocks[0], 12, 4);
        stopped++;
    }
}

static void check_end(int (*end)(MigrationIncomingState *vm))
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.flags |= UFFD_INCOMING_TRACK_DISCARDS;
    vm->config.thread_stop = discard_at_the_end;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, PAGES);
    in_handler = false;
    stopped = 0;
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    touch_read(&toucher, ram_page(ram, 1));
    AWAIT(in_handler);
    CHECK_OK(end(vm));
    CHECK_EQ(stopped, vm_fault_threads(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 1));
    vm_end(vm);
}

int main(void)
{
    check_end(uffd_incoming_cleanup);
    check_end(uffd_incoming_abort);
    return 0;
}
