/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A range is placed as a whole. Present pages in it keep their content, and threads that wait in it are woken. */
#include "vm.h"

#define PAGES 8

static void check_range(enum ram_kind kind)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.page_handler = vm_serve_later;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, kind, PAGES);
    vm_setup(vm);
    touch_read(&toucher, ram_page(ram, PAGES - 1));
    AWAIT(vm->handled == 1);

    /* Present, with other bytes than the range has: at its start, in the middle, next to each other. */
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 1)));
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 4)));
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, 5)));
    size_t length = (PAGES - 1) * ram->page_size;
    CHECK_OK(uffd_incoming_place_range(vm, ram, ram_page(ram, 1), ram_source(ram, 1), length));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, PAGES - 1));
    CHECK_EQ(vm_received(vm, ram, 0), 0);
    for (size_t page = 1; page < PAGES; page++) {
        CHECK_EQ(vm_received(vm, ram, page), 1);
        if (page == 1 || page == 4 || page == 5) {
            CHECK_ZEROS(ram, page);
        } else {
            CHECK_PAGE(ram, page);
        }
    }
    CHECK_OK(uffd_incoming_place_range(vm, ram, ram->host, ram->source, ram->length));
    CHECK_PAGE(ram, 0);
    CHECK_ZEROS(ram, 1);
    CHECK_EQ(vm->handled, 1);
    CHECK_EQ(vm_stats(vm).pages_placed, PAGES - 3);
    vm_end(vm);
}

int main(void)
{
    check_range(RAM_ANON);
    check_range(RAM_MEMFD_SHARED);
    check_range(RAM_MEMFD_PRIVATE);
    return 0;
}
