/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Several threads fault concurrently in a unit whose end the file has lost. The pages that the file still has are
 * placed. Only threads that touch a lost page wait.
 */
#include <errno.h>

#include "concurrent-faulters.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define UNIT 512
#define PAGES (2 * UNIT)
#define KEPT 256 /* of the second unit */

/* What is left of the second unit, from its end. */
static size_t before_cut(size_t turn)
{
    return UNIT + KEPT - 1 - turn;
}

int main(void)
{
    const UffdLoadConfig config = held_loader_config(0);
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    struct snapshot_file *file = faulters_snapshot(vm, PAGES);
    RAMBlock *rb = vm->blocks[0];
    snapshot_file_open(file);

    CHECK_EQ(ftruncate(file->fd, file->blocks[0].pages_offset + (UNIT + KEPT) * rb->page_size), 0);
    CHECK_OK(load_with(vm, file->snapshot, &config));
    place_first_pages(vm, rb, UNIT);
    fault_concurrently(rb, UNIT);
    read_concurrently(rb, KEPT, before_cut);
    CHECK_EQ(vm->event_count, 0);
    release_loader();
    touch_read(&toucher, ram_page(rb, UNIT + KEPT));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_ERROR_HAS("truncated");
    CHECK_WAITS(&toucher);

    snapshot_file_write(file);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(rb, UNIT + KEPT));
    for (size_t page = UNIT; page < PAGES; page++) {
        CHECK_PAGE(rb, page);
    }
    CHECK_OK(uffd_incoming_wait(vm, -1));
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
