/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A page is received after it has been placed: not when it is requested, and no longer after cleanup. */
#include <errno.h>

#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(vm_serve_later, 4);
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;

    vm_setup(vm);
    touch_read(&toucher, ram_page(ram, 1));
    AWAIT(vm->handled == 1);
    CHECK_EQ(vm_received(vm, ram, 1), 0);
    vm_place(vm, ram, 1);
    CHECK_EQ(vm_received(vm, ram, 1), 1);
    toucher_finish(&toucher);

    /* An offset within a page stands for the page. */
    CHECK_EQ(uffd_incoming_page_received(vm, ram, ram->page_size - 1), 0);
    CHECK_EQ(uffd_incoming_page_received(vm, ram, ram->page_size + 1), 1);
    CHECK_EQ(uffd_incoming_page_received(vm, ram, 2 * ram->page_size - 1), 1);
    CHECK_EQ(uffd_incoming_page_received(vm, ram, 2 * ram->page_size), 0);
    CHECK_ERRNO(uffd_incoming_page_received(vm, ram, ram->length), -EINVAL);
    CHECK_ERRNO(uffd_incoming_page_received(vm, ram, -1), -EINVAL);

    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(vm_received(vm, ram, 1), 0);
    vm_end(vm);
    return 0;
}
