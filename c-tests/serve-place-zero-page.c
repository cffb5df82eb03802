/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A zero page wakes the threads that wait for it, and is writable afterwards. */
#include "vm.h"

static void check_kind(enum ram_kind kind)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.page_handler = vm_serve_later;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, kind, 2);
    vm_setup(vm);
    touch_read(&toucher, ram_page(ram, 1));
    AWAIT(vm->handled == 1);
    CHECK_WAITS(&toucher);
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 1)));
    CHECK_EQ(toucher_finish(&toucher), 0);
    CHECK_ZEROS(ram, 1);
    CHECK_EQ(vm_received(vm, ram, 1), 1);
    CHECK_EQ(vm_stats(vm).zero_pages_placed, 1);
    CHECK_EQ(vm_stats(vm).pages_placed, 0);

    *ram_page(ram, 1) = 7;
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 1)));
    CHECK_EQ(*ram_page(ram, 1), 7);
    vm_end(vm);
}

int main(void)
{
    check_kind(RAM_ANON);
    check_kind(RAM_MEMFD_SHARED);
    check_kind(RAM_MEMFD_PRIVATE);
    return 0;
}
