/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A notification is harmless at any time: idle, while faults are served, and while paused, which it does not
 * end.
 */
#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;

    vm_setup(vm);
    for (size_t page = 0; page + 1 < ram->pages; page++) {
        CHECK_OK(uffd_incoming_notify(vm));
        CHECK_PAGE(ram, page);
        CHECK_OK(uffd_incoming_notify(vm));
    }
    CHECK_OK(uffd_incoming_pause(vm));
    touch_read(&toucher, ram_page(ram, 63));
    toucher_await_fault(&toucher);
    CHECK_OK(uffd_incoming_notify(vm));
    CHECK_WAITS(&toucher);
    CHECK_EQ(vm->handled, 63);
    CHECK_OK(uffd_incoming_resume(vm));
    toucher_finish(&toucher);
    CHECK_EQ(vm->handled, 64);
    vm_end(vm);
    return 0;
}
