/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The storage answers EIO to the background loader. The loader stops, reports why, skips no page, and continues after
 * a resume.
 */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-load.h"
#include "storage.h"

/* Several of the loader's units. */
#define PAGES 8192
#define BAD_PAGE 3000

static void check_load(enum ram_kind kind, bool cached, uint32_t loader_threads)
{
    const UffdLoadConfig config = { .size = sizeof(config), .loader_threads = loader_threads };
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, kind, PAGES);
    struct storage *storage = storage_of(vm, cached);

    CHECK_EQ(snapshot_page_kind(PAGES / 2), PAGE_DATA);
    storage_fails(storage, BAD_PAGE, PAGES);
    CHECK_OK(load_with(vm, storage->file->snapshot, &config));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_ERROR_HAS("loading in the background");
    CHECK_ERROR_HAS(storage->path);
    CHECK_ERROR_HAS(rb->idstr);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -EIO) == 1);
    touch_read(&toucher, ram_page(rb, PAGES / 2));
    CHECK_WAITS(&toucher);
    for (size_t page = BAD_PAGE; page < PAGES; page++) {
        CHECK(snapshot_page_kind(page) != PAGE_DATA || !vm_received(vm, rb, page));
    }
    CHECK_EQ(vm_stats(vm).complete, 0);
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);

    storage_heals(storage);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(rb, PAGES / 2));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    check_load(RAM_ANON, true, 1);
    check_load(RAM_ANON, false, 2);
    check_load(RAM_MEMFD_SHARED, true, 2);
    check_load(RAM_MEMFD_SHARED, false, 1);
    return 0;
}
