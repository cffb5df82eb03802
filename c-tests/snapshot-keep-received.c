/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* With UFFD_LOAD_KEEP_PRESENT, pages that were marked received are not loaded, even if they are missing. */
#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);

    CHECK_OK(uffd_incoming_mark_received(vm, rb, 8 * rb->page_size, 4 * rb->page_size));
    load(vm, file->snapshot, UFFD_LOAD_KEEP_PRESENT);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_PAGE(rb, 7);
    for (size_t page = 8; page < 12; page++) {
        CHECK(!is_present(rb, page));
        CHECK_ZEROS(rb, page);
    }
    CHECK_PAGE(rb, 12);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
