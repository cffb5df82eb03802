/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A page that the guest discards after it was loaded reads as zeros, and is not loaded again. */
#include "snapshot-file.h"
#include "snapshot-load.h"

static void check_kind(enum ram_kind kind)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, kind, 64);
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_PAGE(rb, 0);
    ram_discard(rb, 0, 1);
    CHECK_ZEROS(rb, 0);
    CHECK_PAGE(rb, 1); /* the load goes on around it */

    ram_discard(rb, 0, 2);
    for (size_t page = 2; page < rb->pages; page++) {
        CHECK_PAGE(rb, page);
    }
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_ZEROS(rb, 0);
    CHECK_ZEROS(rb, 1);

    ram_discard(rb, 2, 1);
    CHECK_ZEROS(rb, 2); /* complete, but not cleaned up yet */
    CHECK_OK(uffd_incoming_cleanup(vm));
    ram_discard(rb, 3, 1);
    CHECK_ZEROS(rb, 3);

    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_kind(RAM_ANON);
    check_kind(RAM_MEMFD_SHARED);
    check_kind(RAM_MEMFD_PRIVATE);
    return 0;
}
