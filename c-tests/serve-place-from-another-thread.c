/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The handler only requests the page. Another thread of the caller places it later, and the waiting thread goes on.
 */
#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(vm_serve_later, 2);
    RAMBlock *ram = vm->blocks[0];
    struct toucher reader, writer;

    vm_setup(vm);
    touch_read(&reader, ram_page(ram, 0) + 9);
    touch_write(&writer, ram_page(ram, 1) + 9, 0);
    AWAIT(vm->handled == 2);
    CHECK_WAITS(&reader);
    CHECK_WAITS(&writer);

    vm_place(vm, ram, 0);
    CHECK_EQ(toucher_finish(&reader), ram_source(ram, 0)[9]);
    CHECK_WAITS(&writer);
    vm_place(vm, ram, 1);
    toucher_finish(&writer);
    CHECK_EQ(ram_page(ram, 1)[9], 0);
    ram_page(ram, 1)[9] = ram_source(ram, 1)[9];
    CHECK_PAGE(ram, 1);
    vm_end(vm);
    return 0;
}
