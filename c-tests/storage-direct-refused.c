/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * UFFD_LOAD_DIRECT_IO on a file system without direct reads: uffd_incoming_load_snapshot() returns the error of
 * open(), and has changed nothing. Without the flag it loads.
 */
#include <errno.h>

#include "ram-contents.h"
#include "resources.h"
#include "storage.h"

#define PAGES 1024
#define BEFORE 0x77

static void check_load(enum ram_kind kind, int error)
{
    UffdLoadConfig config = { .size = sizeof(config), .flags = UFFD_LOAD_DIRECT_IO };
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    vm_add_ram(vm, kind, PAGES);
    struct storage *storage = storage_of(vm, true);
    const struct resources before = resources_count(vm);

    fill_ram(vm, BEFORE);
    storage->orders->no_direct = error;
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, storage->file->snapshot, &config), -error);
    CHECK_ERROR_HAS(storage->path);
    CHECK_ERROR_HAS("O_DIRECT");
    CHECK_FILLED(vm, BEFORE);
    CHECK_EQ(vm_stats(vm).bytes_total, 0);
    CHECK_EQ(vm->event_count, 0);
    CHECK_RESOURCES(vm, before);
    CHECK_ERRNO(uffd_incoming_wait(vm, 0), -EINVAL);

    config.flags = 0;
    CHECK_OK(uffd_incoming_load_snapshot(vm, storage->file->snapshot, &config));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    check_load(RAM_ANON, EINVAL);
    check_load(RAM_MEMFD_SHARED, EOPNOTSUPP);
    return 0;
}
