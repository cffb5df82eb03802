/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Several threads fault concurrently on slow storage. The library asks for one whole unit, which takes too long.
 * After that, faults ask for their pages only.
 */
#include <stdlib.h>

#include "concurrent-faulters.h"
#include "storage.h"
#include "vm.h"

#define UNIT 512
#define UNITS 16
#define PAGES (UNITS * UNIT)

/* A unit is read in more than one piece, and takes longer than a fault waits for one. */
#define SLOW_US 12000

/* A page of each unit but the first. */
static size_t in_next_unit(size_t turn)
{
    return (turn + 1) * UNIT + 100;
}

/* On a busy machine, a unit may have taken too long before the storage is slow. */
#define MOST_LOADS 10

static bool has_whole_unit(MigrationIncomingState *vm, RAMBlock *rb)
{
    size_t page = UNIT;

    while (page < PAGES && !are_received(vm, rb, page, UNIT)) {
        page += UNIT;
    }
    return page < PAGES;
}

/* Whether a page has been waited for with all of its unit. */
static bool check_load(bool cached, uint64_t flags)
{
    const UffdLoadConfig config = held_loader_config(flags);
    MigrationIncomingState *vm = vm_new();
    struct snapshot_file *file = faulters_snapshot(vm, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct storage *storage = storage_of_file(file, cached);

    CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, &config));
    place_first_pages(vm, rb, UNIT);
    fault_concurrently(rb, UNIT);
    storage->orders->slow_us = SLOW_US;
    const uint64_t before = storage->orders->asked;
    read_concurrently(rb, UNITS - 1, in_next_unit);
    /* One unit to find out; for the others the page, and what the kernel reads ahead. */
    CHECK(storage->orders->asked - before <= 2 * HUGE_PAGE + (UNITS - 2) * HUGE_PAGE / 8);
    const bool waited = has_whole_unit(vm, rb);
    storage->orders->slow_us = 0;
    release_loader();
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    for (size_t page = UNIT; page < PAGES; page++) {
        CHECK_PAGE(rb, page);
    }
    vm_end(vm);
    storage_free(storage);
    return waited;
}

static void check_loads(bool cached, uint64_t flags)
{
    /* Without UFFDIO_MOVE, each page goes by itself. */
    const bool has_units = vm_moves_units();
    int loads = 1;

    while (!check_load(cached, flags) && has_units) {
        if (loads == MOST_LOADS && check_slowness() > 1) {
            SKIP("this machine takes too long for a unit: it is not waited for");
        }
        CHECK(loads++ < MOST_LOADS);
    }
}

int main(void)
{
    check_loads(true, 0);
    check_loads(false, 0);
    check_loads(true, UFFD_LOAD_DIRECT_IO);
    return 0;
}
