/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Only the client touches the RAM. The handler gets each message as the kernel wrote it, in the library's copy of the
 * struct. The waker is called for each page that is placed.
 */
#include "client.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    struct client *client = client_new(vm, ram);

    client_add(client);
    vm_setup(vm);
    for (size_t page = 0; page < 2; page++) {
        CLIENT_TOUCH(client, page);
        CLIENT_SEES_PAGE(client, page);
        CHECK_EQ(client->messages, page + 1);
        CHECK_EQ(client->wakes, page + 1);
        CHECK_EQ(vm->handled, page + 1);
        CHECK_EQ(vm_received(vm, ram, page), 1);
        CHECK_PAGE(ram, page);
    }
    CHECK_EQ(vm_stats(vm).pages_placed, 2);
    CHECK_EQ(vm->event_count, 0);
    vm_end(vm);
    client_end(client);
    return 0;
}
