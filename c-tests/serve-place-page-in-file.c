/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A page that another mapping of the file has brought counts as present, and the threads that wait for it are woken.
 */
#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.page_handler = vm_serve_later;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    vm_setup(vm);
    touch_read(&toucher, ram_page(ram, 1));
    AWAIT(vm->handled == 1);
    CHECK_WAITS(&toucher);
    CHECK_EQ(pwrite(ram->fd, ram_source(ram, 1), ram->page_size, ram->page_size), ram->page_size);
    CHECK_OK(uffd_incoming_place_page(vm, ram, ram_page(ram, 1), ram_source(ram, 0)));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 1));
    CHECK_PAGE(ram, 1);
    CHECK_EQ(vm_received(vm, ram, 1), 1);
    vm_end(vm);
    return 0;
}
