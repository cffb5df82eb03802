/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The storage answers none of the reads for many faults. As many reads wait as there are reader threads, one for each page
 * however many threads touch it; pages that need no read are served meanwhile. Once the storage answers, every page is
 * read, once.
 */
#include "ram-contents.h"
#include "snapshot-load.h"
#include "storage.h"

#define PAGES 1024
#define HANGING 16
#define TWINS 3 /* more threads on the first of them */

static size_t hanging[HANGING], zeros;

/* Pages of data in a row, and one of zeros behind them. */
static void choose_pages(void)
{
    size_t count = 0, page = 100;

    for (; count < HANGING; page++) {
        if (snapshot_page_kind(page) == PAGE_DATA) {
            hanging[count++] = page;
        }
    }
    while (snapshot_page_kind(page) == PAGE_DATA) {
        page++;
    }
    zeros = page;
}

/* The twins come first, while readers are idle. */
static size_t touched(size_t toucher)
{
    return hanging[toucher < TWINS ? 0 : toucher - TWINS];
}

static void check_load(uint32_t readers, unsigned reads)
{
    const UffdLoadConfig config = {
        .size = sizeof(config),
        .flags = UFFD_LOAD_NO_BACKGROUND,
        .reader_threads = readers,
    };
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct storage *storage = storage_of(vm, false);
    struct toucher touchers[HANGING + TWINS];

    CHECK_OK(uffd_incoming_load_snapshot(vm, storage->file->snapshot, &config));
    CHECK_PAGE(rb, 0);
    const uint64_t before = storage->orders->asked;
    storage_hangs(storage, hanging[0], hanging[HANGING - 1] - hanging[0] + 1);
    for (size_t i = 0; i < HANGING + TWINS; i++) {
        touch_read(&touchers[i], ram_page(rb, touched(i)));
        toucher_await_fault(&touchers[i]);
    }
    AWAIT(storage->orders->held == reads);
    AWAIT(vm_stats(vm).faults >= HANGING + TWINS);
    CHECK_PAGE(rb, zeros);
    let_wrong_things_happen();
    CHECK_EQ(storage->orders->held, reads);
    CHECK_WAITS(&touchers[0]);
    CHECK_WAITS(&touchers[TWINS + HANGING - 1]);
    CHECK_EQ(vm->event_count, 0);

    storage_heals(storage);
    for (size_t i = 0; i < HANGING + TWINS; i++) {
        CHECK_EQ(toucher_finish(&touchers[i]), *ram_source(rb, touched(i)));
    }
    CHECK_EQ(storage->orders->asked - before, HANGING * 4096);
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));

    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    choose_pages();
    check_load(0, 4);
    check_load(1, 1);
    check_load(9, 9);
    return 0;
}
