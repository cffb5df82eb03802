/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * After MADV_FREE, a received page has its data or zeros until it is written to, and the handler is not asked for it
 * again. With tracked discards, missing pages become zeros at once.
 */
#include <string.h>
#include <sys/mman.h>

#include "vm.h"

#define PAGES 64

/* Should the kernel take it just now, it is zeros from then on. */
static void check_freed(const RAMBlock *ram, size_t page)
{
    const uint8_t *seen = ram_page(ram, page);

    if (memcmp(seen, ram_source(ram, page), ram->page_size) != 0) {
        CHECK_ZEROS(ram, page);
    }
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2 * PAGES);
    RAMBlock *ram = vm->blocks[0];
    const size_t half = PAGES * ram->page_size;

    vm_setup(vm);
    for (size_t page = 0; page < PAGES; page++) {
        vm_place(vm, ram, page);
    }
    CHECK_EQ(madvise(ram->host, half, MADV_FREE), 0);
    for (size_t page = 0; page < PAGES; page += 2) {
        memset(ram_page(ram, page), 9, ram->page_size);
    }
    /* The kernel takes what it may; not before Linux 5.4. */
    (void)madvise(ram->host, half, MADV_PAGEOUT);
    for (size_t page = 0; page < PAGES; page++) {
        if (page % 2 == 0) {
            CHECK(memchr(ram_page(ram, page), 0, ram->page_size) == NULL && *ram_page(ram, page) == 9);
        } else {
            check_freed(ram, page);
        }
        CHECK_EQ(vm_received(vm, ram, page), 1);
    }
    CHECK_EQ(vm->handled, 0);

    if (vm->config.flags & UFFD_INCOMING_TRACK_DISCARDS) {
        CHECK_EQ(madvise(ram->host + half, half, MADV_FREE), 0);
        for (size_t page = PAGES; page < 2 * PAGES; page++) {
            CHECK_ZEROS(ram, page);
        }
        CHECK_EQ(vm->handled, 0);
    }
    vm_end(vm);
    return 0;
}
