/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The client waits for a page that was placed before a fault thread read the client's message.
 * uffd_incoming_request_shared_page() finds the page in place and wakes the client at once.
 */
#include "client.h"

/* The library wakes who asked; this is for the others. */
static int wake_nobody(UffdSharedFd *shared, RAMBlock *rb, uint64_t offset)
{
    (void)shared;
    (void)rb;
    (void)offset;
    return 0;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    struct client *client = client_new(vm, ram);

    vm_setup(vm);
    CLIENT_TOUCH(client, 0);
    CLIENT_WAITS(client, 0);
    vm_place(vm, ram, 0);
    vm_place(vm, ram, 1);
    CLIENT_WAITS(client, 0);
    client->shared.waker = wake_nobody;
    client_add(client);
    CLIENT_SEES_PAGE(client, 0);
    CHECK_EQ(client->messages, 1);

    /* What is in place in the file is no fault for the client either. */
    CLIENT_TOUCH(client, 1);
    CLIENT_SEES_PAGE(client, 1);
    CHECK_EQ(client->messages, 1);
    CHECK_EQ(vm->handled, 0);
    vm_end(vm);
    client_end(client);
    return 0;
}
