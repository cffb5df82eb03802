/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * If the source's memory is unreadable, placing returns the error of Linux. The pages before are placed; the others
 * stay missing.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 6);
    RAMBlock *ram = vm->blocks[0];
    size_t size = ram->page_size;
    uint8_t *from = mmap(NULL, 4 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(from != MAP_FAILED);
    memcpy(from, ram->source, 2 * size);
    CHECK_EQ(mprotect(from + 2 * size, 2 * size, PROT_NONE), 0);
    vm_setup(vm);
    CHECK_ERRNO(uffd_incoming_place_range(vm, ram, ram->host, from, 4 * size), -EFAULT);
    CHECK_ERROR_HAS(ram->idstr);
    for (size_t page = 0; page < 4; page++) {
        CHECK_EQ(vm_received(vm, ram, page), page < 2);
    }
    CHECK_ERRNO(uffd_incoming_place_page(vm, ram, ram_page(ram, 4), from + 3 * size), -EFAULT);
    CHECK_EQ(vm_received(vm, ram, 4), 0);
    for (size_t page = 0; page < ram->pages; page++) {
        CHECK_PAGE(ram, page);
    }
    CHECK_EQ(vm->handled, 4);
    CHECK_EQ(munmap(from, 4 * size), 0);
    vm_end(vm);
    return 0;
}
