/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A RAM block is unplugged during a load and dropped. Threads that wait in it go on, the rest is loaded, and the load
 * is complete without it. uffd_incoming_remove_ram_block() is refused for such a block.
 */
#include <errno.h>
#include <sys/mman.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 64

static MigrationIncomingState *new_vm(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);

    vm_add_ram(vm, RAM_ANON, PAGES);
    vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    return vm;
}

static void drop(MigrationIncomingState *vm, unsigned which)
{
    CHECK_ERRNO(uffd_incoming_remove_ram_block(vm, vm->blocks[which]), -EBUSY);
    CHECK_ERROR_HAS("uffd_incoming_drop_ram_block");
    CHECK_OK(uffd_incoming_drop_ram_block(vm, vm->blocks[which]));
    CHECK_ERRNO(uffd_incoming_drop_ram_block(vm, vm->blocks[which]), -ENOENT);
}

/* Its memory is gone, as far as the rest of the test is concerned. */
static void forget(MigrationIncomingState *vm, unsigned which)
{
    ram_free(vm->blocks[which]);
    vm->blocks[which] = vm->blocks[--vm->block_count];
}

/* Nothing is under way. */
static void check_on_demand(void)
{
    MigrationIncomingState *vm = new_vm();
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_PAGE(vm->blocks[1], 1);
    drop(vm, 1);
    forget(vm, 1);
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    UffdIncomingStats stats = vm_stats(vm);
    CHECK_EQ(stats.complete, 1);
    CHECK_EQ(stats.bytes_loaded, stats.bytes_total);
    vm_end(vm);
    snapshot_file_free(file);
}

/* The last page that is missing is in it. */
static void check_completes(void)
{
    MigrationIncomingState *vm = new_vm();
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    for (unsigned block = 0; block < 2; block++) {
        for (size_t page = 0; page < PAGES; page++) {
            CHECK_PAGE(vm->blocks[block], page);
        }
    }
    CHECK_ERRNO(uffd_incoming_wait(vm, 0), -ETIMEDOUT);
    drop(vm, 2);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_COMPLETE, 0) == 1); /* a page counts a moment after its thread was woken */
    CHECK_OK(uffd_incoming_wait(vm, 0));
    forget(vm, 2);
    vm_end(vm);
    snapshot_file_free(file);
}

/* A thread waits in it for a page that cannot be read, and all is paused. */
static void check_while_paused(void)
{
    MigrationIncomingState *vm = new_vm();
    struct snapshot_file *file = snapshot_file_of(vm);
    struct toucher toucher;

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_EQ(ftruncate(file->fd, file->blocks[0].pages_offset), 0);
    CHECK_EQ(snapshot_page_kind(1), PAGE_DATA);
    touch_read(&toucher, ram_page(vm->blocks[1], 1));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    drop(vm, 1);
    CHECK_EQ(toucher_finish(&toucher), 0);
    forget(vm, 1);

    snapshot_file_write(file);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    vm_end(vm);
    snapshot_file_free(file);
}

/* The loader is at work. */
static void check_in_the_background(void)
{
    for (unsigned round = 0; round < 20; round++) {
        MigrationIncomingState *vm = new_vm();
        struct snapshot_file *file = snapshot_file_of(vm);
        unsigned which = 1 + round % 2;

        load(vm, file->snapshot, 0);
        CHECK_OK(uffd_incoming_drop_ram_block(vm, vm->blocks[which]));
        forget(vm, which);
        CHECK_OK(uffd_incoming_wait(vm, -1));
        CHECK_RAM(vm);
        vm_end(vm);
        snapshot_file_free(file);
    }
}

int main(void)
{
    check_on_demand();
    check_completes();
    check_while_paused();
    check_in_the_background();
    return 0;
}
