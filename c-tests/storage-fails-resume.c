/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The storage answers EIO for pages that threads touch. The library pauses and reports why, and no page becomes
 * zeros. Once the storage works again, uffd_incoming_resume() continues the load.
 */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-load.h"
#include "storage.h"

#define PAGES 64
#define LAST_GOOD_PAGE 9
#define BAD_PAGE 10

static void check_load(bool cached)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct storage *storage = storage_of(vm, cached);
    const size_t touched[] = { BAD_PAGE, 11, PAGES - 1 };
    struct toucher touchers[3];

    storage_fails(storage, BAD_PAGE, PAGES);
    load(vm, storage->file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_PAGE(rb, LAST_GOOD_PAGE);

    touch_read(&touchers[0], ram_page(rb, BAD_PAGE));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_ERROR_HAS(storage->path);
    CHECK_ERROR_HAS(rb->idstr);
    CHECK_ERROR_HAS("offset 0xa000,");
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -EIO) == 1);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_SOURCE_ERROR, -EIO), 1);
    for (size_t i = 1; i < 3; i++) {
        touch_read(&touchers[i], ram_page(rb, touched[i]));
    }
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(snapshot_page_kind(touched[i]), PAGE_DATA);
        CHECK_WAITS(&touchers[i]);
        CHECK(!is_present(rb, touched[i]));
    }
    CHECK_EQ(vm_stats(vm).paused, 1);
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);

    /* Too early. */
    CHECK_OK(uffd_incoming_resume(vm));
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -EIO) == 2);
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);

    storage_heals(storage);
    CHECK_OK(uffd_incoming_resume(vm));
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(toucher_finish(&touchers[i]), *ram_source(rb, touched[i]));
    }
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));

    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    check_load(true);
    check_load(false);
    return 0;
}
