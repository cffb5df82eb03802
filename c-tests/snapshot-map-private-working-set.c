/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The working set of RAM that is mapped from the snapshot's file: what was touched is recorded; replayed, it is in memory
 * before the load is complete, and nothing else is.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "page-cache.h"
#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "snapshot-load.h"
#include "working-set.h"

#define PAGES 4096
/* No more is read for a page that was touched. */
#define UNIT 512

/* All data but for a run of zeros. */
static enum page_kind write_page(const void *opaque, size_t block, uint64_t page, void *bytes)
{
    const struct snapshot_file *file = opaque;

    if (page >= 1024 && page < 2048) {
        memset(file->vm->blocks[block]->source + page * HOST_PAGE, 0, HOST_PAGE);
        return PAGE_ZERO;
    }
    return snapshot_data_page(file, block, page, bytes);
}

static size_t pages_present(const RAMBlock *rb)
{
    size_t present = 0;

    for (size_t page = 0; page < rb->pages; page++) {
        present += is_present(rb, page);
    }
    return present;
}

int main(void)
{
    static const size_t touched[] = { 3900, 16, 2999, 1100 /* zeros */, 900 };
    const size_t count = sizeof(touched) / sizeof(touched[0]);
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_new(vm);
    char *set = scratch_path("set");

    file->layout.page = write_page;
    snapshot_file_write(file);
    snapshot_file_open(file);
    page_cache_drop(file->fd);
    const bool on_disk = page_cache_bytes(file->fd) == 0; /* and not in memory */

    load_working_set(vm, file->snapshot, UFFD_LOAD_MAP_PRIVATE, set, NULL);
    CHECK_EQ(vm_stats(vm).complete, 1);
    CHECK(!on_disk || pages_present(rb) == 0);
    for (size_t i = 0; i < count; i++) {
        CHECK_PAGE(rb, touched[i]);
    }
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(scratch_files(), 1);

    ram_map_anew(rb); /* what is mapped stays in the page cache */
    page_cache_drop(file->fd);
    CHECK_EQ(page_cache_bytes(file->fd) == 0, on_disk);
    load_working_set(vm, file->snapshot, UFFD_LOAD_MAP_PRIVATE, NULL, set);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(is_present(rb, touched[i]), touched[i] != 1100);
    }
    CHECK(!on_disk || pages_present(rb) <= count * UNIT);
    CHECK(!on_disk || !is_present(rb, 3000 + 16 * 32));
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_cleanup(vm));

    /* A set that cannot be used keeps nothing waiting. */
    ram_map_anew(rb);
    load_working_set(vm, file->snapshot, UFFD_LOAD_MAP_PRIVATE, NULL, "/proc/self/nothing");
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    free(set);
    return 0;
}
