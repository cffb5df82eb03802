/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A descriptor is added before there is RAM. Faults of its client wait for the setup, which serves them. */
#include "client.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    RAMBlock *ram = ram_new(RAM_MEMFD_SHARED, 2);
    struct client *client = client_new(vm, ram);

    vm_attach(vm);
    client_add(client);
    CLIENT_TOUCH(client, 0);
    CLIENT_WAITS(client, 0);
    CHECK_EQ(client->messages, 0);
    vm_add_block(vm, ram);
    vm_setup(vm);
    CLIENT_SEES_PAGE(client, 0);
    CLIENT_TOUCH(client, 1);
    CLIENT_SEES_PAGE(client, 1);
    CHECK_EQ(client->messages, 2);
    vm_end(vm);
    client_end(client);
    return 0;
}
