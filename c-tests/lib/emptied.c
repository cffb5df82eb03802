/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "emptied.h"

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"
#include "walkers.h"

static void check_load(enum ram_kind kind, size_t pages, uint64_t flags)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    vm_add_ram(vm, kind, pages);
    struct snapshot_file *file = snapshot_file_of(vm);

    fill_ram(vm, 0x3c);
    load(vm, file->snapshot, flags);
    walkers_finish(walkers_start(vm, 2));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
}

void check_emptied(enum ram_kind kind, size_t pages)
{
    check_load(kind, pages, 0);
    check_load(kind, pages, UFFD_LOAD_NO_BACKGROUND);
}
