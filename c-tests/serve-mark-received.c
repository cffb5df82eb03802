/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A fault on a page that was marked received places zeros and does not call the handler. Cleanup removes the marks.
 */
#include <errno.h>

#include "vm.h"

static void check_bad_arguments(MigrationIncomingState *vm, RAMBlock *ram)
{
    size_t size = ram->page_size;

    CHECK_ERRNO(uffd_incoming_mark_received(vm, ram, 1, size), -EINVAL);
    CHECK_ERRNO(uffd_incoming_mark_received(vm, ram, 0, size - 1), -EINVAL);
    CHECK_ERRNO(uffd_incoming_mark_received(vm, ram, ram->length, size), -EINVAL);
    CHECK_ERRNO(uffd_incoming_mark_received(vm, ram, size, ram->length), -EINVAL);
    CHECK_ERRNO(uffd_incoming_mark_received(vm, ram, size, -size), -EINVAL);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 6);
    RAMBlock *ram = vm->blocks[0];
    size_t size = ram->page_size;

    /* Before the set-up. */
    check_bad_arguments(vm, ram);
    CHECK_OK(uffd_incoming_mark_received(vm, ram, size, 2 * size));
    CHECK_EQ(vm_received(vm, ram, 1), 1);
    vm_setup(vm);
    CHECK_ZEROS(ram, 1);
    CHECK_ZEROS(ram, 2);
    CHECK_EQ(vm->handled, 0);

    /* While armed. */
    check_bad_arguments(vm, ram);
    CHECK_OK(uffd_incoming_mark_received(vm, ram, 5 * size, size));
    CHECK_ZEROS(ram, 5);
    CHECK_EQ(vm->handled, 0);
    for (size_t page = 0; page < 6; page++) {
        bool marked = page == 1 || page == 2 || page == 5;

        CHECK_EQ(vm_received(vm, ram, page), marked);
        if (!marked) {
            CHECK_PAGE(ram, page);
        }
    }

    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(vm_received(vm, ram, 1), 0);
    ram_discard(ram, 0, 6);
    vm_setup(vm);
    CHECK_PAGE(ram, 1);
    CHECK_PAGE(ram, 5);
    vm_end(vm);
    return 0;
}
