/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_TRACK_DISCARDS, a discarded page need not be loaded any more. If no other page is left, the load
 * is complete.
 */
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 1024

int main(void)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = UFFD_LOAD_NO_BACKGROUND };
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_TRACK_DISCARDS;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);

    CHECK_OK(load_with(vm, file->snapshot, &config));
    CHECK_EQ(vm_stats(vm).complete, 0);
    CHECK_EQ(vm_received(vm, ram, 0), 0);
    CHECK_PAGE(ram, 100);
    ram_discard(ram, 0, 100);
    ram_discard(ram, 101, PAGES - 101);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(vm_stats(vm).bytes_loaded, ram->length);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_COMPLETE, 0) == 1);
    CHECK_ZEROS(ram, 99);
    CHECK_PAGE(ram, 100);
    CHECK_ZEROS(ram, 101);
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
