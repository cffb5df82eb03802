/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Zeros of hugetlbfs RAM, private or shared, take no huge page; only a host page with some data does. With
 * UFFD_LOAD_KEEP_PRESENT it is the same, and present pages keep their content.
 */
#include <string.h>
#include <sys/mman.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 6
#define TARGET_PAGES (HUGE_PAGE / 4096)

/* One target page in the middle of host page 1, the last one of host page 3. */
static bool is_data(uint64_t page)
{
    return page == TARGET_PAGES + 77 || page == 4 * TARGET_PAGES - 1;
}

static enum page_kind write_page(const void *file, size_t block, uint64_t page, void *bytes)
{
    return snapshot_page(file, block, page, is_data(page) ? PAGE_DATA : PAGE_STALE, bytes);
}

/* The first bytes of the first target pages that are present, one bit each. */
static unsigned present(const RAMBlock *rb)
{
    unsigned char pages[PAGES * TARGET_PAGES];
    unsigned bits = 0;

    CHECK_EQ(mincore(rb->host, rb->length, pages), 0);
    for (unsigned page = 0; page < PAGES; page++) {
        bits |= (pages[page * TARGET_PAGES] & 1u) << page;
    }
    return bits;
}

static void check_kind(enum ram_kind kind)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, kind, PAGES);
    struct snapshot_file *file = snapshot_file_new(vm);
    file->layout.page = write_page;
    snapshot_file_write(file);
    snapshot_file_open(file);

    memset(rb->host, 0x55, HUGE_PAGE);
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(present(rb), 1u << 1 | 1u << 3);
    CHECK_ZEROS(rb, 5);
    CHECK_EQ(present(rb), 1u << 1 | 1u << 3 | 1u << 5);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    ram_discard(rb, 0, PAGES);
    memset(ram_page(rb, 4), 0x66, HUGE_PAGE);
    load(vm, file->snapshot, UFFD_LOAD_KEEP_PRESENT);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(present(rb), 1u << 1 | 1u << 3 | 1u << 4);
    CHECK_EQ(*ram_page(rb, 4), 0x66);
    CHECK_PAGE(rb, 1);
    CHECK_OK(uffd_incoming_cleanup(vm));
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_kind(RAM_HUGETLB_SHARED);
    check_kind(RAM_HUGETLB_PRIVATE);
    return 0;
}
