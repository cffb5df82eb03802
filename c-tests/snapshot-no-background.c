/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Without the background loader only touched pages are loaded. Touching all of them completes the load. */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 64

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);

    CHECK_EQ(snapshot_page_kind(PAGES - 1), PAGE_DATA);
    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    /* Backwards: to who goes on from page to page, those behind it are brought along. */
    for (size_t page = PAGES - 1; page-- > 0;) {
        CHECK_PAGE(rb, page);
    }

    CHECK_ERRNO(uffd_incoming_wait(vm, 0), -ETIMEDOUT);
    CHECK_ERRNO(uffd_incoming_wait(vm, 30), -ETIMEDOUT);
    CHECK(!is_present(rb, PAGES - 1));
    CHECK_EQ(vm_received(vm, rb, PAGES - 1), 0);
    CHECK_EQ(vm_stats(vm).complete, 0);
    AWAIT(vm_stats(vm).bytes_loaded == (PAGES - 1) * rb->page_size); /* counted after a thread was woken */
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
    CHECK_ERRNO(uffd_incoming_remove_ram_block(vm, rb), -EBUSY);

    CHECK_PAGE(rb, PAGES - 1);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(vm_stats(vm).complete, 1);
    for (size_t page = 0; page < PAGES; page++) {
        CHECK_EQ(vm_received(vm, rb, page), 1);
    }

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
