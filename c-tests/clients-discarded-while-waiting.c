/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_TRACK_DISCARDS, the client waits for a page that the VMM discards before it is placed. The
 * client is woken and reads zeros. The page's data is not placed later.
 */
#include <sys/mman.h>

#include "client.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_TRACK_DISCARDS;
    vm->config.page_handler = vm_serve_later;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    struct client *client = client_new(vm, ram);

    vm_setup(vm);
    client_add(client);
    CLIENT_TOUCH(client, 0);
    AWAIT(vm->handled == 1);
    CLIENT_WAITS(client, 0);
    CHECK_EQ(client->wakes, 0);
    CHECK_EQ(madvise(ram_page(ram, 0), ram->page_size, MADV_REMOVE), 0);
    CLIENT_SEES_ZEROS(client, 0);
    CHECK(client->wakes >= 1);
    CHECK_EQ(vm_received(vm, ram, 0), 1);
    CHECK_EQ(vm_received(vm, ram, 1), 0);
    vm_place(vm, ram, 0);
    CHECK_ZEROS(ram, 0);
    CHECK_EQ(vm->handled, 1);
    vm_end(vm);
    client_end(client);
    return 0;
}
