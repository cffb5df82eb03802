/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Bytes of the file under a clear bit are never seen, whether a fault or the background loader brings the page. */
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 2048

/* That there are such bytes in the file at all. */
static void check_file(const struct snapshot_file *file)
{
    uint8_t byte = 0;

    CHECK_EQ(snapshot_page_kind(6), PAGE_STALE);
    CHECK_EQ(pread(file->fd, &byte, 1, file->blocks[0].pages_offset + 6 * HOST_PAGE), 1);
    CHECK(byte != 0);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);
    const uint64_t flags[] = { UFFD_LOAD_NO_BACKGROUND, 0 };

    check_file(file);
    for (size_t i = 0; i < 2; i++) {
        load(vm, file->snapshot, flags[i]);
        if (flags[i] == 0) {
            CHECK_OK(uffd_incoming_wait(vm, -1));
        }
        for (size_t page = 0; page < PAGES; page++) {
            if (snapshot_page_kind(page) == PAGE_STALE) {
                CHECK_ZEROS(rb, page);
            }
        }
        CHECK_OK(uffd_incoming_abort(vm));
    }

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
