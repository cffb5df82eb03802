/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Several threads fault concurrently on storage of which nothing is cached. Every byte is right, and a page that has
 * to be read brings its whole unit along.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "concurrent-faulters.h"
#include "page-cache.h"
#include "storage.h"
#include "vm.h"

#define UNIT 512
#define UNITS 16
#define PAGES (UNITS * UNIT)

/* A page of each unit but the first, then another one of each. */
static size_t in_another_unit(size_t turn)
{
    return (1 + turn % (UNITS - 1)) * UNIT + turn / (UNITS - 1);
}

/*
 * The library detects concurrent faulters by faults that follow each other closely. On a busy machine not all do, and a unit that
 * takes too long is not waited for. Then the test loads again.
 */
#define MOST_LOADS 40

/* Whether most pages, one of each unit, bring all of their unit along. */
static bool bring_units(MigrationIncomingState *vm, RAMBlock *rb)
{
    unsigned whole = 0;

    for (size_t unit = 1; unit < UNITS; unit++) {
        fault_concurrently(rb, UNIT);
        /* Not where the kernel has read ahead for the unit before. */
        CHECK_PAGE(rb, unit * UNIT + UNIT / 2);
        /* A thread goes on a moment before its unit counts as received. */
        for (int ms = 0; ms < 10 && !are_received(vm, rb, unit * UNIT, UNIT); ms++) {
            usleep(1000);
        }
        whole += are_received(vm, rb, unit * UNIT, UNIT);
    }
    return whole > (UNITS - 1) / 2;
}

static void check_load(bool cached, uint64_t flags)
{
    const UffdLoadConfig config = held_loader_config(flags);
    MigrationIncomingState *vm = vm_new();
    struct snapshot_file *file = faulters_snapshot(vm, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct storage *storage = storage_of_file(file, cached);

    CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, &config));
    place_first_pages(vm, rb, UNIT);
    for (int loads = 1; vm_moves_units() && !bring_units(vm, rb); loads++) {
        if (loads == MOST_LOADS / 8 && check_slowness() > 1) {
            SKIP("this machine takes too long for a unit: it is not waited for");
        }
        CHECK(loads < MOST_LOADS);
        release_loader();
        CHECK_OK(uffd_incoming_abort(vm));
        hold_loader(vm);
        storage_forget_cached(storage);
        CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, &config));
        place_first_pages(vm, rb, UNIT);
    }
    read_concurrently(rb, PAGES - UNIT, in_another_unit);
    release_loader();
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_COMPLETE, 0), vm->event_count);
    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    check_load(true, 0);
    check_load(false, 0);
    check_load(true, UFFD_LOAD_DIRECT_IO);
    return 0;
}
