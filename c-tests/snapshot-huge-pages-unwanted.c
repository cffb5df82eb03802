/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * RAM gets no huge pages if it refuses them, if it does not ask where it would have to, or with
 * UFFD_LOAD_NO_HUGE_PAGES. After the load it takes as much memory as the snapshot has data.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 16384
#define NO_ADVICE (-1)

/* Of each unit of 2 MiB the first half, and every other page of the second one. */
static bool is_data(uint64_t page)
{
    return page % 512 < 256 || page % 2 == 0;
}

static enum page_kind write_page(const void *file, size_t block, uint64_t page, void *bytes)
{
    return snapshot_page(file, block, page, is_data(page) ? PAGE_DATA : PAGE_ZERO, bytes);
}

static void check_load(int advice, uint64_t flags)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    const size_t data = rb->length * 3 / 4;
    struct snapshot_file *file = snapshot_file_new(vm);

    file->layout.page = write_page;
    snapshot_file_write(file);
    snapshot_file_open(file);
    if (advice == NO_ADVICE) {
        CHECK(mmap(rb->host, rb->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
              rb->host);
    } else {
        CHECK_EQ(madvise(rb->host, rb->length, advice), 0);
    }
    load(vm, file->snapshot, flags);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(smaps_bytes(rb, "AnonHugePages:"), 0);
    CHECK_EQ(smaps_bytes(rb, "Rss:"), data);
    CHECK_RAM(vm);
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    FILE *enabled = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    char words[64] = "";

    if (!has_huge_pages() || fgets(words, sizeof(words), enabled) == NULL) {
        SKIP("transparent huge pages are off");
    }
    fclose(enabled);
    check_load(MADV_NOHUGEPAGE, 0);
    check_load(MADV_HUGEPAGE, UFFD_LOAD_NO_HUGE_PAGES);
    if (strstr(words, "[madvise]") != NULL) {
        check_load(NO_ADVICE, 0);
    }
    return 0;
}
