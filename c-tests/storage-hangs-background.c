/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The storage does not answer a read of the background loader. Faults are served, also faults of concurrent faulters
 * in the same unit, as far as they need no read. Once the storage answers, the load completes.
 */
#include <errno.h>

#include "concurrent-faulters.h"
#include "snapshot-load.h"
#include "storage.h"

/* Several of the loader's units. What hangs is in one in the middle. */
#define UNIT 512
#define PAGES (8 * UNIT)
#define HANGING (4 * UNIT + 100)

/* A page of zeros near the one that hangs. */
static size_t zero_page(void)
{
    size_t page = HANGING;

    while (snapshot_page_kind(page) == PAGE_DATA) {
        page--;
    }
    return page;
}

static void check_load(enum ram_kind kind, bool cached)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, kind, PAGES);
    struct storage *storage = storage_of(vm, cached);

    CHECK_EQ(snapshot_page_kind(HANGING), PAGE_DATA);
    storage_hangs(storage, HANGING, 1);
    load(vm, storage->file->snapshot, 0);
    AWAIT(storage->orders->held > 0);
    /* The kernel reads some pages in one piece, and where a unit starts depends on where the RAM lies. */
    for (size_t page = 0; page < PAGES; page++) {
        if (page < HANGING - UNIT || page > HANGING + UNIT) {
            CHECK_PAGE(rb, page);
        }
    }
    fault_concurrently(rb, UNIT);
    CHECK_ZEROS(rb, zero_page());
    CHECK_ERRNO(uffd_incoming_wait(vm, 50), -ETIMEDOUT);
    touch_read(&toucher, ram_page(rb, HANGING));
    CHECK_WAITS(&toucher);
    CHECK_EQ(vm->event_count, 0);

    storage_heals(storage);
    CHECK_EQ(toucher_finish(&toucher), *ram_source(rb, HANGING));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    for (size_t page = UNIT; page < PAGES; page++) {
        CHECK_PAGE(rb, page);
    }

    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    check_load(RAM_ANON, true);
    check_load(RAM_MEMFD_SHARED, false);
    return 0;
}
