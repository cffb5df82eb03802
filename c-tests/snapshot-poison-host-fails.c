/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_POISON, the host has no memory for a page. Nothing is wrong with the snapshot, so the load
 * pauses, reports why, and poisons nothing.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "refuse.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define UFFDIO_COPY_REQUEST 0xc028aa03
#define UFFDIO_ZEROPAGE_REQUEST 0xc020aa04
#define UFFDIO_MOVE_REQUEST 0xc028aa05

static void no_memory(void)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, 2048);
    struct snapshot_file *file = snapshot_file_of(vm);

    refuse_ioctl(UFFDIO_COPY_REQUEST, ENOMEM);
    refuse_ioctl(UFFDIO_ZEROPAGE_REQUEST, ENOMEM);
    refuse_ioctl(UFFDIO_MOVE_REQUEST, ENOMEM);
    load(vm, file->snapshot, 0);
    touch_read(&toucher, ram_page(rb, 100));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -ENOMEM);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -ENOMEM) == 1);
    CHECK_WAITS(&toucher);
    CHECK_EQ(vm_stats(vm).pages_poisoned, 0);
    CHECK_OK(uffd_incoming_abort(vm));
    CHECK_EQ(toucher_finish(&toucher), 0);
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    in_child(no_memory);
    return 0;
}
