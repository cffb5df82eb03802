/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* With UFFD_LOAD_KEEP_PRESENT, present pages keep their content, and the others are loaded. */
#include <string.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 64
#define OLD_BYTE 0x3c

static bool is_kept(size_t page)
{
    return page % 3 == 0;
}

static void check_kind(enum ram_kind kind)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, kind, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);
    for (size_t page = 0; page < PAGES; page++) {
        if (is_kept(page)) {
            memset(ram_page(rb, page), OLD_BYTE, rb->page_size);
            memset(rb->source + page * rb->page_size, OLD_BYTE, rb->page_size); /* what is to be seen */
        }
    }

    load(vm, file->snapshot, UFFD_LOAD_KEEP_PRESENT);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(vm_stats(vm).complete, 1);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_kind(RAM_ANON);
    check_kind(RAM_MEMFD_SHARED);
    return 0;
}
