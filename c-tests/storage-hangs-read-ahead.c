/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The kernel reads pages ahead that the storage does not answer for. A thread that touches one of them waits, and nobody else:
 * that a page is on its way into the page cache does not make it one that is there.
 */
#include "ram-contents.h"
#include "snapshot-load.h"
#include "storage.h"

#define PAGES 4096
#define HANGING 64 /* from this page on, one megabyte */
#define ELSEWHERE 3000

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct storage *storage = storage_of(vm, true);
    struct toucher toucher;
    size_t waiting = HANGING;

    while (snapshot_page_kind(waiting) != PAGE_DATA) {
        waiting++;
    }
    load(vm, storage->file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    storage_forget_cached(storage);
    storage_hangs(storage, HANGING, 256);
    storage_is_asked_ahead(storage, HANGING, 256);

    touch_read(&toucher, ram_page(rb, waiting));
    toucher_await_fault(&toucher);
    for (size_t page = ELSEWHERE; page < PAGES; page++) {
        CHECK_PAGE(rb, page);
    }
    CHECK_WAITS(&toucher);
    CHECK_EQ(vm->event_count, 0);

    storage_heals(storage);
    CHECK_EQ(toucher_finish(&toucher), *ram_source(rb, waiting));
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));

    vm_end(vm);
    storage_free(storage);
    return 0;
}
