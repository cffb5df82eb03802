/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A fault thread that looks for the next fault before it sleeps serves, pauses and ends like any other. */
#include "vm.h"

static void check_spin(unsigned spin_us)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.spin_us = spin_us;
    vm->config.fault_threads = 2;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 65);
    vm_setup(vm);
    for (size_t page = 0; page < 64; page++) {
        CHECK_PAGE(ram, page);
    }
    CHECK_OK(uffd_incoming_pause(vm));
    touch_read(&toucher, ram_page(ram, 64));
    CHECK_WAITS(&toucher);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 64));
    CHECK_EQ(vm->handled, 65);
    vm_end(vm);
}

int main(void)
{
    check_spin(1);
    check_spin(50);
    check_spin(1000);
    return 0;
}
