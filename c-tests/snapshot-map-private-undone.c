/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A load with UFFD_LOAD_MAP_PRIVATE that fails after it has mapped RAM leaves nothing of that: the RAM is anonymous and
 * empty, with all that was asked for it, and the next load succeeds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "ram-contents.h"
#include "resources.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 1024

static bool refuses = true;

static int refuse(MigrationIncomingState *vm)
{
    /* It is mapped already. */
    CHECK(smaps_flags(vm->blocks[0], "dd") == vm->blocks[0]->length);
    return refuses ? -EPERM : 0;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.setup_done = refuse;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);
    const UffdLoadConfig config = { .size = sizeof(config), .flags = UFFD_LOAD_MAP_PRIVATE };

    CHECK_EQ(madvise(rb->host, rb->length, MADV_DONTDUMP), 0);
    fill_ram(vm, 0x3c);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EPERM);
    struct resources before = resources_count(vm);
    CHECK_FILLED(vm, 0);
    CHECK_EQ(smaps_flags(rb, "dd"), rb->length);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EPERM);
    CHECK_RESOURCES(vm, before);

    /* Loaded, and not mapped: nothing is left of the mapping that would be in the way. */
    refuses = false;
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    load(vm, file->snapshot, UFFD_LOAD_MAP_PRIVATE);
    CHECK(vm_stats(vm).bytes_mapped > 0);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
