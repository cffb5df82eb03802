/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The storage does not answer the read for a fault. That thread waits, and nobody else: all other pages are served,
 * waits with a timeout end in time, and all other calls return. Without reader threads, later faults of the same fault
 * thread wait, too, and another fault thread serves its own. Once the storage answers, the load completes.
 */
#include <errno.h>
#include <time.h>

#include "ram-contents.h"
#include "snapshot-load.h"
#include "storage.h"

/* In every other 2 MiB of them the second fault thread serves the faults. */
#define STRIPE 512
#define PAGES (8 * STRIPE)
#define HANGING 200
#define BEHIND 210 /* of the same thread */

static int count_page(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *opaque)
{
    (void)vm;
    (void)rb;
    CHECK_EQ(offset / 4096, HANGING);
    ++*(unsigned *)opaque;
    return 0;
}

/* Whether the kernel may read it together with the page that hangs. */
static bool may_be_read_along(size_t page, bool cached)
{
    return cached ? page + 128 > HANGING && page < HANGING + 128 : page == HANGING;
}

static int64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void check_load(bool cached, bool readers)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher hanging, behind;
    UffdIncomingBlocktime blocktime = { .size = sizeof(blocktime) };
    unsigned requested = 0;

    vm->config.fault_threads = 2;
    vm->config.flags |= UFFD_INCOMING_BLOCKTIME;
    vm->config.vcpus = 1;
    vm_attach(vm);
    RAMBlock *rb = ram_new_aligned(RAM_ANON, PAGES, true);
    vm_add_block(vm, rb);
    struct storage *storage = storage_of(vm, cached);

    CHECK_EQ(snapshot_page_kind(HANGING), PAGE_DATA);
    CHECK_EQ(snapshot_page_kind(BEHIND), PAGE_DATA);
    load(vm, storage->file->snapshot, UFFD_LOAD_NO_BACKGROUND | (readers ? 0 : UFFD_LOAD_NO_READERS));
    CHECK_PAGE(rb, 0);
    storage_hangs(storage, HANGING, 1);
    touch_read(&hanging, ram_page(rb, HANGING));
    AWAIT(storage->orders->held > 0);
    touch_read(&behind, ram_page(rb, BEHIND));

    /* What is there is there, and of the rest half is served in any case. */
    CHECK_PAGE(rb, 0);
    for (size_t page = 0; page < PAGES; page++) {
        if (page / STRIPE % 2 == 1 || (readers && !may_be_read_along(page, cached))) {
            CHECK_PAGE(rb, page);
        }
    }
    const int64_t start = milliseconds();
    CHECK_ERRNO(uffd_incoming_wait(vm, 50), -ETIMEDOUT);
    const int64_t waited = milliseconds() - start;
    CHECK(waited >= 50 && waited < 5000);

    CHECK_EQ(vm_stats(vm).paused, 0);
    CHECK_OK(uffd_incoming_get_blocktime(vm, &blocktime));
    CHECK_OK(uffd_incoming_notify(vm));
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_OK(uffd_incoming_foreach_requested(vm, count_page, &requested));
    CHECK_EQ(requested, 1);
    CHECK_EQ(vm_received(vm, rb, HANGING), 0);
    CHECK(uffd_incoming_temp_page(vm, 0) != NULL);
    if (!readers) {
        vm_place(vm, rb, 1);
        CHECK_WAITS(&behind);
    }
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
    CHECK_WAITS(&hanging);
    CHECK_EQ(vm->event_count, 0);

    storage_heals(storage);
    CHECK_EQ(toucher_finish(&hanging), *ram_source(rb, HANGING));
    CHECK_EQ(toucher_finish(&behind), *ram_source(rb, BEHIND));
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));

    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    check_load(true, true);
    check_load(false, true);
    check_load(true, false);
    check_load(false, false);
    return 0;
}
