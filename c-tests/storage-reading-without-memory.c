/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_POISON, the host has no memory to read a page. Nothing is wrong with the snapshot, so the load
 * pauses and poisons nothing. It continues once there is memory.
 */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-load.h"
#include "storage.h"

#define PAGES 64
#define PAGE 10

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct storage *storage = storage_of(vm, false);

    CHECK_EQ(snapshot_page_kind(PAGE), PAGE_DATA);
    storage_fails_with(storage, ENOMEM, PAGE, 1);
    load(vm, storage->file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    touch_read(&toucher, ram_page(rb, PAGE));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -ENOMEM);
    CHECK_WAITS(&toucher);
    CHECK_EQ(vm_stats(vm).paused, 1);
    CHECK_EQ(vm_stats(vm).pages_poisoned, 0);

    storage_heals(storage);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(rb, PAGE));
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));

    vm_end(vm);
    storage_free(storage);
    return 0;
}
