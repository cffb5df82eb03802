/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Private anonymous RAM that asks for huge pages is loaded in the background, and gets huge pages where it is mostly
 * data. Without UFFDIO_MOVE, or without huge pages, the data is copied.
 */
#include <stdlib.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 8192

int main(void)
{
    if (!has_huge_pages()) {
        SKIP("transparent huge pages are off");
    }
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    if (!vm_moves_units() || getenv("UFFD_TEST_WITHOUT_HUGE_PAGES") != NULL) {
        CHECK_EQ(smaps_bytes(rb, "AnonHugePages:"), 0);
    } else {
        /* Of every four units, one is zeros and at most one more is lost at a border. */
        CHECK(smaps_bytes(rb, "AnonHugePages:") >= rb->length / 2);
    }
    CHECK_RAM(vm);
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
