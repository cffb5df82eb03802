/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The statistics of a load report how many bytes there are and how many are loaded. They stay readable after cleanup.
 */
#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 64

/* Of every eight pages two are zero pages: see snapshot_page_kind(). */
#define ZERO_PAGES (PAGES / 4)

static void check_total(MigrationIncomingState *vm, uint64_t loaded, uint32_t complete)
{
    const UffdIncomingStats stats = vm_stats(vm);

    CHECK_EQ(stats.bytes_total, PAGES * vm->blocks[0]->page_size);
    CHECK_EQ(stats.bytes_loaded, loaded);
    CHECK_EQ(stats.complete, complete);
    CHECK_EQ(stats.paused, 0);
    CHECK_EQ(stats.source_errors, 0);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    check_total(vm, 0, 0);
    CHECK_PAGE(rb, 3);
    AWAIT(vm_stats(vm).bytes_loaded > 0); /* counted after a thread was woken */
    check_total(vm, rb->page_size, 0);
    /* Each by a fault of its own: in an order in which no page is placed along with another. */
    for (size_t i = 0; i < PAGES; i++) {
        CHECK_PAGE(rb, i * 37 % PAGES);
    }
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);
    check_total(vm, rb->length, 1);

    CHECK_EQ(vm_stats(vm).fault_threads, vm_fault_threads(vm));
    CHECK_OK(uffd_incoming_cleanup(vm));
    check_total(vm, rb->length, 1);

    const UffdIncomingStats stats = vm_stats(vm);
    CHECK_EQ(stats.fault_threads, 0);
    CHECK_EQ(stats.pages_placed, PAGES - ZERO_PAGES);
    CHECK_EQ(stats.zero_pages_placed, ZERO_PAGES);
    CHECK(stats.faults >= PAGES);
    CHECK_EQ(waits_that_ended(&stats), PAGES);
    CHECK(stats.fault_latency_ns_sum > 0);
    /* Each page of data was read once, by a fault thread. */
    CHECK_EQ(stats.bytes_read_cached + stats.bytes_read_waiting, (PAGES - ZERO_PAGES) * rb->page_size);
    CHECK_EQ(stats.bytes_read_on_demand, stats.bytes_read_cached + stats.bytes_read_waiting);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    check_total(vm, 0, 0);
    CHECK_OK(uffd_incoming_abort(vm));

    /* In the background, nothing is read on demand. */
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK(vm_stats(vm).bytes_read_cached + vm_stats(vm).bytes_read_waiting >= (PAGES - ZERO_PAGES) * rb->page_size);
    CHECK_EQ(vm_stats(vm).bytes_read_on_demand, 0);
    CHECK_OK(uffd_incoming_cleanup(vm));

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
