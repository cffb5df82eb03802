/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_LOAD_DIRECT_IO, target pages are smaller than the disk's sectors, so that some data cannot be read
 * directly. It is read through the page cache.
 */
#include <string.h>

#include "ram-contents.h"
#include "storage.h"

#define PAGES 4096
#define SECTOR 4096

/* Of each huge page, so many bytes and one target page more are zeros: too many to be read along. */
#define GAP (300 * 1024)

static enum page_kind after_gap(const void *opaque, size_t block, uint64_t page, void *bytes)
{
    const struct snapshot_file *file = opaque;
    const size_t size = file->layout.target_page_size;
    uint8_t *source = file->vm->blocks[block]->source + page * size;

    if (page * size % HUGE_PAGE < GAP + size) {
        memset(source, 0, size);
        return PAGE_ZERO;
    }
    memcpy(bytes, source, size);
    return PAGE_DATA;
}

static void check_load(enum ram_kind kind, uint64_t target_page_size)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = UFFD_LOAD_DIRECT_IO };
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    vm_add_ram(vm, kind, PAGES);
    struct snapshot_file *file = snapshot_file_new(vm);
    file->layout.target_page_size = target_page_size;
    file->layout.page = after_gap;
    snapshot_file_write(file);
    struct storage *storage = storage_of_file(file, true);

    storage->orders->sector = SECTOR;
    CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, &config));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    /* Units that are moved are read whole. What is copied begins and ends where host pages do. */
    CHECK_EQ(storage->orders->unfit > 0, target_page_size < SECTOR && vm_moves_units());
    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    check_load(RAM_ANON, 512);
    check_load(RAM_ANON, 1024);
    check_load(RAM_ANON, SECTOR);
    check_load(RAM_MEMFD_SHARED, 16 * SECTOR);
    return 0;
}
