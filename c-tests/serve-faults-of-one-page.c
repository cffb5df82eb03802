/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Many threads wait for one page. It is placed once, and all of them go on. */
#include "vm.h"

#define TOUCHERS 8

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(vm_serve_later, 2);
    RAMBlock *ram = vm->blocks[0];
    struct toucher touchers[TOUCHERS];

    vm_setup(vm);
    for (unsigned i = 0; i < TOUCHERS; i++) {
        touch_read(&touchers[i], ram_page(ram, 1) + i);
    }
    for (unsigned i = 0; i < TOUCHERS; i++) {
        toucher_await_fault(&touchers[i]);
    }
    AWAIT(vm_stats(vm).faults == TOUCHERS);
    vm_place(vm, ram, 1);
    for (unsigned i = 0; i < TOUCHERS; i++) {
        CHECK_EQ(toucher_finish(&touchers[i]), ram_source(ram, 1)[i]);
    }
    CHECK_EQ(vm_stats(vm).pages_placed, 1);
    CHECK(vm->handled >= 1 && vm->handled <= TOUCHERS);
    vm_end(vm);
    return 0;
}
