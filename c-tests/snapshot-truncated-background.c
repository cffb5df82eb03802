/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The file is truncated before the background loader reads it. The loader stops and reports why. A resume continues
 * the load.
 */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

/* Several of the loader's units. */
#define PAGES 8192
#define CUT_PAGE 3000

static void check_load(uint32_t loader_threads)
{
    const UffdLoadConfig config = { .size = sizeof(config), .loader_threads = loader_threads };
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);

    CHECK_EQ(snapshot_page_kind(CUT_PAGE), PAGE_DATA);
    CHECK_EQ(ftruncate(file->fd, file->blocks[0].pages_offset + CUT_PAGE * rb->page_size + 100), 0);
    CHECK_OK(load_with(vm, file->snapshot, &config));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_ERROR_HAS("truncated");
    CHECK_EQ(vm_stats(vm).complete, 0);
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
    for (size_t page = CUT_PAGE; page < PAGES; page++) {
        if (snapshot_page_kind(page) == PAGE_DATA) {
            CHECK(!is_present(rb, page));
        }
    }

    snapshot_file_write(file);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_load(1);
    check_load(2);
    return 0;
}
