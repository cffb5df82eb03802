/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Detaching removes the descriptors. A mis that is attached again has none, and they can be added again. */
#include <errno.h>

#include "client.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    RAMBlock *ram = ram_new(RAM_MEMFD_SHARED, 2);
    struct client *client = client_new(vm, ram);

    vm_attach(vm);
    client_add(client);
    CHECK_OK(uffd_incoming_detach(vm));
    CHECK_ERRNO(uffd_incoming_remove_shared_fd(vm, client->shared.fd), -ENOENT);
    vm_attach(vm);
    CHECK_ERRNO(uffd_incoming_remove_shared_fd(vm, client->shared.fd), -ENOENT);
    vm_add_block(vm, ram);
    vm_setup(vm);
    CLIENT_TOUCH(client, 0);
    CLIENT_WAITS(client, 0);
    vm_place(vm, ram, 1);
    CHECK_EQ(client->messages, 0);
    CHECK_EQ(client->wakes, 0);
    client_add(client);
    CLIENT_SEES_PAGE(client, 0);
    vm_end(vm);
    client_end(client);
    return 0;
}
