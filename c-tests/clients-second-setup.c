/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A descriptor stays after cleanup or abort, and the next setup serves it: faults since then, and faults from before
 * the cleanup or abort. Cleanup is refused while a page that was requested for the client is missing.
 */
#include <errno.h>

#include "client.h"

static atomic_int result;

static int message(UffdSharedFd *shared, void *uffd_msg)
{
    return result != 0 ? result : client_message(shared, uffd_msg);
}

static void check_end(int (*end)(MigrationIncomingState *vm))
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 4);
    struct client *client = client_new(vm, ram);

    client->shared.handler = message;
    client_add(client);
    result = 0;
    CHECK_OK(uffd_setup_incoming(vm, vm_serve_later, 1));
    CLIENT_TOUCH(client, 0);
    AWAIT(vm->handled == 1);
    vm_place(vm, ram, 0);
    CLIENT_SEES_PAGE(client, 0);
    CLIENT_TOUCH(client, 1);
    AWAIT(vm->handled == 2);
    result = -ENOTCONN;
    CLIENT_TOUCH(client, 2);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -ENOTCONN) == 1);
    if (end == uffd_incoming_cleanup) {
        CHECK_ERRNO(end(vm), -EBUSY);
        vm_place(vm, ram, 1);
        CLIENT_SEES_PAGE(client, 1);
        ram_discard(ram, 1, 1);
        CLIENT_TOUCH(client, 1);
    }
    CHECK_OK(end(vm));
    result = 0;
    ram_discard(ram, 0, 1);
    CLIENT_TOUCH(client, 0);
    CLIENT_TOUCH(client, 3);
    for (size_t page = 0; page < 4; page++) {
        CLIENT_WAITS(client, page);
    }
    vm_setup(vm);
    for (size_t page = 0; page < 4; page++) {
        CLIENT_SEES_PAGE(client, page);
    }
    vm_end(vm);
    client_end(client);
}

int main(void)
{
    check_end(uffd_incoming_cleanup);
    check_end(uffd_incoming_abort);
    return 0;
}
