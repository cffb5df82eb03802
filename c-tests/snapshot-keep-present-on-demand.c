/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * UFFD_LOAD_KEEP_PRESENT without the background loader: the library does not look for present pages, so the caller
 * marks them received. The load is complete once the others have been touched.
 */
#include <string.h>

#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 16

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);

    memset(rb->host, 0x3c, rb->page_size);
    CHECK_OK(uffd_incoming_mark_received(vm, rb, 0, rb->page_size));
    load(vm, file->snapshot, UFFD_LOAD_KEEP_PRESENT | UFFD_LOAD_NO_BACKGROUND);
    CHECK_EQ(*rb->host, 0x3c);
    for (size_t page = 1; page < PAGES; page++) {
        CHECK_PAGE(rb, page);
    }
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(*rb->host, 0x3c);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
