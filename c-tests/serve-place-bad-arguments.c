/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Placing outside of a block or off its page boundaries is refused, also near its end and beyond the end of the
 * address space.
 */
#include <errno.h>

#include "vm.h"

static MigrationIncomingState *vm;
static RAMBlock *ram;

static void check_refused(void *host)
{
    CHECK_ERRNO(uffd_incoming_place_page(vm, ram, host, ram->source), -EINVAL);
    CHECK_ERROR_HAS(ram->idstr);
    CHECK_ERRNO(uffd_incoming_place_zero_page(vm, ram, host), -EINVAL);
    CHECK_ERRNO(uffd_incoming_place_range(vm, ram, host, ram->source, ram->page_size), -EINVAL);
}

static void check_range_refused(size_t page, size_t length)
{
    CHECK_ERRNO(uffd_incoming_place_range(vm, ram, ram_page(ram, page), ram->source, length), -EINVAL);
}

int main(void)
{
    vm = vm_with_ram(NULL, 4);
    ram = vm->blocks[0];
    RAMBlock *other = vm_add_ram(vm, RAM_ANON, 1);
    size_t page_size = ram->page_size;

    vm_setup(vm);
    check_refused(ram->host + 1);
    check_refused(ram->host + page_size / 2);
    check_refused(ram->host - page_size);
    check_refused(ram->host + ram->length);
    check_refused(other->host);
    check_refused((void *)-page_size);
    check_range_refused(0, 0);
    check_range_refused(0, page_size / 2);
    check_range_refused(0, page_size + 1);
    check_range_refused(0, ram->length + page_size);
    check_range_refused(3, 2 * page_size);
    check_range_refused(1, -page_size);
    check_range_refused(1, (size_t)-1);

    for (size_t page = 0; page < ram->pages; page++) {
        CHECK_EQ(vm_received(vm, ram, page), 0);
        CHECK_PAGE(ram, page);
    }
    CHECK_PAGE(other, 0);
    vm_end(vm);
    return 0;
}
