/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * After its descriptor is removed, the client waits. Once it is added again, the client is served, also for a page
 * that was requested before the removal and placed meanwhile.
 */
#include <errno.h>

#include "client.h"

static void check_unread(MigrationIncomingState *vm, struct client *client)
{
    CLIENT_TOUCH(client, 0);
    CLIENT_WAITS(client, 0);
    client_add(client);
    AWAIT(vm->handled == 1);
    vm_place(vm, client->rb, 0);
    CLIENT_SEES_PAGE(client, 0);
    client_remove(client);
}

static void check_asked_for(MigrationIncomingState *vm, struct client *client)
{
    client_add(client);
    CLIENT_TOUCH(client, 1);
    AWAIT(vm->handled == 2);
    client_remove(client);
    CHECK_ERRNO(uffd_incoming_remove_shared_fd(vm, client->shared.fd), -ENOENT);
    CLIENT_WAITS(client, 1);
    CLIENT_TOUCH(client, 2);
    vm_place(vm, client->rb, 1);
    CHECK_EQ(client->wakes, 1);
    client_add(client);
    CLIENT_SEES_PAGE(client, 1);
    AWAIT(vm->handled == 3);
    vm_place(vm, client->rb, 2);
    CLIENT_SEES_PAGE(client, 2);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.page_handler = vm_serve_later;
    vm->config.log = vm_no_message;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 3);
    struct client *client = client_new(vm, ram);

    vm_setup(vm);
    check_unread(vm, client);
    check_asked_for(vm, client);
    vm_end(vm);
    client_end(client);
    return 0;
}
