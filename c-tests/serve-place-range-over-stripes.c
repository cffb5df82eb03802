/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A range that belongs to several fault threads is placed as a whole, around the pages in it that are present. */
#include "vm.h"

#define PAGES 4096
#define PRESENT_EVERY 511

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    unsigned present = 0;

    vm->config.page_handler = vm_serve_later;
    vm->config.fault_threads = 3;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, PAGES);
    vm_setup(vm);
    for (size_t page = 0; page < PAGES; page += PRESENT_EVERY) {
        CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, page)));
        present++;
    }
    CHECK_OK(uffd_incoming_place_range(vm, ram, ram->host, ram->source, ram->length));
    for (size_t page = 0; page < PAGES; page++) {
        if (page % PRESENT_EVERY == 0) {
            CHECK_ZEROS(ram, page);
        } else {
            CHECK_PAGE(ram, page);
        }
    }
    CHECK_EQ(vm->handled, 0);
    CHECK_EQ(vm_stats(vm).pages_placed, PAGES - present);
    vm_end(vm);
    return 0;
}
