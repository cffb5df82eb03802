/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A page that the caller places during a load keeps its content, and counts as loaded. */
#include <string.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 16

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    memset(rb->source, 0x3c, 2 * rb->page_size);
    vm_place(vm, rb, 0);
    vm_place(vm, rb, 1);
    CHECK_OK(uffd_incoming_place_zero_page(vm, rb, ram_page(rb, 2)));
    memset(rb->source + 2 * rb->page_size, 0, rb->page_size);

    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(vm_stats(vm).bytes_loaded, rb->length);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
