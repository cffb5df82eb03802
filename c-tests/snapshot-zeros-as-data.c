/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Pages of zeros that the snapshot holds as data, as a flat dump does, take no memory after a load. With
 * UFFD_LOAD_NO_ZERO_SCAN they do. A unit that is mostly zeros does not become a huge page.
 */
#include <string.h>
#include <sys/stat.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define UNITS 4
#define TARGET_PAGES (UNITS * 512)

/* A unit of data, one of zeros, one of which every fourth page is data, with its first byte or its last; and again. */
static bool is_data(uint64_t page)
{
    const uint64_t unit = page / 512 % 4;

    return unit == 0 || (unit == 2 && page % 4 == 1);
}

static size_t data_bytes(void)
{
    size_t bytes = 0;

    for (size_t page = 0; page < TARGET_PAGES; page++) {
        bytes += is_data(page) ? HOST_PAGE : 0;
    }
    return bytes;
}

static enum page_kind write_page(const void *opaque, size_t block, uint64_t page, void *bytes)
{
    const struct snapshot_file *file = opaque;
    uint8_t *source = file->vm->blocks[block]->source + page * HOST_PAGE;

    if (!is_data(page)) {
        memset(source, 0, HOST_PAGE);
    } else if (page % 8 == 1) {
        memset(source, 0, 4095);
    } else if (page % 8 == 5) {
        memset(source + 1, 0, 4095);
    }
    return snapshot_data_page(file, block, page, bytes);
}

static size_t bytes_held(const RAMBlock *rb)
{
    struct stat status;

    if (rb->fd < 0) {
        return smaps_bytes(rb, "Rss:");
    }
    CHECK_EQ(fstat(rb->fd, &status), 0);
    return (size_t)status.st_blocks * 512;
}

static void check_load(enum ram_kind kind, uint64_t flags, size_t expected)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, kind, kind == RAM_HUGETLB_SHARED ? UNITS : TARGET_PAGES);
    struct snapshot_file *file = snapshot_file_new(vm);
    file->layout.page = write_page;
    snapshot_file_write(file);
    snapshot_file_open(file);
    load(vm, file->snapshot, flags);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(vm_stats(vm).bytes_loaded, rb->length);
    CHECK_EQ(bytes_held(rb), expected);
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_cleanup(vm));

    /* Page by page, by threads that wait. */
    load(vm, file->snapshot, flags | UFFD_LOAD_NO_BACKGROUND);
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_load(RAM_ANON, 0, data_bytes());
    check_load(RAM_ANON, UFFD_LOAD_NO_HUGE_PAGES, data_bytes());
    check_load(RAM_ANON, UFFD_LOAD_NO_ZERO_SCAN, UNITS * HUGE_PAGE);
    check_load(RAM_MEMFD_SHARED, 0, data_bytes());
    check_load(RAM_MEMFD_SHARED, UFFD_LOAD_NO_ZERO_SCAN, UNITS * HUGE_PAGE);
    /* A unit is a page, of which there are zeros only, or some data. */
    check_load(RAM_HUGETLB_SHARED, 0, UNITS / 2 * HUGE_PAGE);
    return 0;
}
