/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A page that was received and then discarded reads as zeros in the client, too. */
#include "client.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    struct client *client = client_new(vm, ram);

    vm_setup(vm);
    client_add(client);
    CHECK_PAGE(ram, 0);
    CLIENT_TOUCH(client, 1);
    CLIENT_SEES_PAGE(client, 1);
    CHECK_EQ(vm->handled, 2);
    ram_discard(ram, 0, 2);
    for (size_t page = 0; page < 2; page++) {
        CLIENT_TOUCH(client, page);
        CLIENT_SEES_ZEROS(client, page);
        CHECK_ZEROS(ram, page);
    }
    CHECK_EQ(vm->handled, 2);
    vm_end(vm);
    client_end(client);
    return 0;
}
