/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Two clients wait for the same page, and for different ones. All are woken. */
#include "client.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.page_handler = vm_serve_later;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 3);
    struct client *first = client_new(vm, ram), *second = client_new(vm, ram);

    vm_setup(vm);
    client_add(first);
    client_add(second);
    CLIENT_TOUCH(first, 0);
    CLIENT_TOUCH(second, 0);
    CLIENT_TOUCH(second, 1);
    AWAIT(first->messages == 1 && second->messages == 2);
    AWAIT(vm->handled == 3);
    vm_place(vm, ram, 0);
    CLIENT_SEES_PAGE(first, 0);
    CLIENT_SEES_PAGE(second, 0);
    CLIENT_WAITS(second, 1);
    client_remove(first);
    vm_place(vm, ram, 1);
    CLIENT_SEES_PAGE(second, 1);
    CHECK_EQ(first->wakes, 1);
    CHECK_EQ(second->wakes, 2);
    vm_end(vm);
    client_end(first);
    client_end(second);
    return 0;
}
