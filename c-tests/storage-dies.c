/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The storage's process is killed during a load, while reads wait for it. The library reports that and pauses; a
 * resume pauses again. Abort ends the load and leaves nothing behind, or the caller places the missing pages.
 */
#include <errno.h>
#include <stdlib.h>

#include "ram-contents.h"
#include "resources.h"
#include "scratch.h"
#include "snapshot-load.h"
#include "storage.h"

/* Several of the loader's units. */
#define PAGES 4096
#define FIRST_HELD 1400
#define TOUCHED 1500

enum end { ABORTED, PLACED };

/* The read that waited is broken off, and a later read gets the error that there is no connection; from Linux 7 on, both may be EIO. */
static const int reasons[] = { -ECONNABORTED, -ENOTCONN, -EIO };

static bool is_reason(int result)
{
    return result == reasons[0] || result == reasons[1] || result == reasons[2];
}

static unsigned pauses(MigrationIncomingState *vm)
{
    unsigned count = 0;

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        count += vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, reasons[i]);
    }
    return count;
}

static void check_load(enum ram_kind kind, bool cached, enum end end)
{
    char *record = scratch_path("working-set");
    const UffdLoadConfig config = { .size = sizeof(config), .working_set_record = record };
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, kind, PAGES);
    struct storage *storage = storage_of(vm, cached);

    CHECK_EQ(snapshot_page_kind(TOUCHED), PAGE_DATA);
    storage_hangs(storage, FIRST_HELD, PAGES);
    CHECK_OK(load_with(vm, storage->file->snapshot, &config));
    touch_read(&toucher, ram_page(rb, TOUCHED));
    AWAIT(storage->orders->held > 0);
    storage_dies(storage);

    const int reason = uffd_incoming_wait(vm, -1);
    CHECK(is_reason(reason));
    CHECK_ERROR_HAS(storage->path);
    CHECK_ERROR_HAS(rb->idstr);
    AWAIT(pauses(vm) == 1);
    CHECK_EQ(vm_stats(vm).paused, 1);
    CHECK_EQ(vm_stats(vm).complete, 0);
    CHECK_WAITS(&toucher);
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);

    CHECK_OK(uffd_incoming_resume(vm));
    AWAIT(pauses(vm) == 2);
    CHECK(is_reason(uffd_incoming_wait(vm, -1)));
    CHECK_WAITS(&toucher);

    if (end == PLACED) {
        for (size_t page = 0; page < PAGES; page++) {
            vm_place(vm, rb, page);
        }
        CHECK_OK(uffd_incoming_wait(vm, -1));
        CHECK_EQ(toucher_finish(&toucher), *ram_source(rb, TOUCHED));
        CHECK_RAM(vm);
        CHECK_OK(uffd_incoming_cleanup(vm));
    } else {
        CHECK_OK(uffd_incoming_abort(vm));
        CHECK_EQ(toucher_finish(&toucher), 0);
    }
    CHECK_EQ(scratch_files(), 1); /* where it is mounted */

    vm_end(vm);
    storage_free(storage);
    free(record);
}

int main(void)
{
    /* With its RAM, whenever something is counted. */
    const MigrationIncomingState gone = { .block_count = 0 };

    check_load(RAM_ANON, true, ABORTED);
    const struct resources before = resources_count(&gone);
    check_load(RAM_ANON, false, PLACED);
    check_load(RAM_MEMFD_SHARED, true, PLACED);
    check_load(RAM_MEMFD_SHARED, false, ABORTED);
    CHECK_RESOURCES(&gone, before);
    return 0;
}
