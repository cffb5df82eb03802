/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The file is truncated during a load. The library pauses and reports why, and no page becomes zeros. Once the file
 * is whole again, uffd_incoming_resume() continues the load.
 */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 64
#define LAST_WHOLE_PAGE 9
#define CUT_PAGE 10 /* its first 100 bytes remain */

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);
    const size_t touched[] = { CUT_PAGE, 11, PAGES - 1 };
    struct toucher touchers[3];

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_EQ(ftruncate(file->fd, file->blocks[0].pages_offset + CUT_PAGE * rb->page_size + 100), 0);
    CHECK_PAGE(rb, LAST_WHOLE_PAGE);

    touch_read(&touchers[0], ram_page(rb, touched[0]));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_ERROR_HAS("truncated");
    CHECK_ERROR_HAS(rb->idstr);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(snapshot_page_kind(touched[i]), PAGE_DATA);
        if (i > 0) {
            touch_read(&touchers[i], ram_page(rb, touched[i]));
        }
    }
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_SOURCE_ERROR, -EIO) == 1);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -EIO) == 1);
    for (size_t i = 0; i < 3; i++) {
        CHECK_WAITS(&touchers[i]);
        CHECK(!is_present(rb, touched[i]));
        CHECK_EQ(vm_received(vm, rb, touched[i]), 0);
    }
    UffdIncomingStats stats = vm_stats(vm);
    CHECK_EQ(stats.paused, 1);
    CHECK_EQ(stats.complete, 0);
    CHECK_EQ(stats.source_errors, 1);
    CHECK_EQ(stats.bytes_loaded, rb->page_size);
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);

    snapshot_file_write(file);
    CHECK_OK(uffd_incoming_resume(vm));
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_RESUMED, 0) == 1);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(toucher_finish(&touchers[i]), *ram_source(rb, touched[i]));
    }
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
