/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Several threads fault concurrently in a unit with one page that the storage cannot read. All other pages are
 * placed. Threads that touch the bad page wait and the library pauses; with UFFD_INCOMING_POISON they get SIGBUS.
 */
#include <errno.h>

#include "concurrent-faulters.h"
#include "sigbus.h"
#include "storage.h"
#include "vm.h"

#define UNIT 512
#define PAGES (2 * UNIT)
#define BAD_PAGE (UNIT + 256)

/* All of the second unit but the bad page, here and there. */
static size_t beside_bad_page(size_t turn)
{
    return UNIT + (256 + (turn + 1) * 7) % UNIT;
}

static void check_pause(MigrationIncomingState *vm, RAMBlock *rb, struct storage *storage)
{
    struct toucher toucher;

    touch_read(&toucher, ram_page(rb, BAD_PAGE));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_WAITS(&toucher);
    storage_heals(storage);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(rb, BAD_PAGE));
    CHECK_OK(uffd_incoming_wait(vm, -1));
}

static void check_poison(MigrationIncomingState *vm, RAMBlock *rb)
{
    CHECK_SIGBUS(rb, BAD_PAGE);
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_EQ(vm_stats(vm).pages_poisoned, 1);
    CHECK_EQ(vm_stats(vm).paused, 0);
}

static void check_load(bool poisons, bool cached, uint64_t flags)
{
    const UffdLoadConfig config = held_loader_config(flags);
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= poisons ? UFFD_INCOMING_POISON : 0;
    struct snapshot_file *file = faulters_snapshot(vm, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct storage *storage = storage_of_file(file, cached);

    storage_fails(storage, BAD_PAGE, 1);
    CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, &config));
    place_first_pages(vm, rb, UNIT);
    fault_concurrently(rb, UNIT);
    read_concurrently(rb, UNIT - 1, beside_bad_page);
    CHECK_EQ(vm->event_count, 0);
    CHECK_EQ(vm_received(vm, rb, BAD_PAGE), 0);
    release_loader();
    if (poisons) {
        check_poison(vm, rb);
    } else {
        check_pause(vm, rb, storage);
        CHECK_PAGE(rb, BAD_PAGE);
    }
    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    need_poison();
    check_load(false, true, 0);
    check_load(false, false, 0);
    check_load(true, true, 0);
    check_load(true, false, UFFD_LOAD_DIRECT_IO);
    return 0;
}
