/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Snapshots with target pages that are smaller and larger than the host's pages. */
#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

static void check_load(uint64_t target_page_size)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 256);
    struct snapshot_file *file = snapshot_file_new(vm);
    UffdSnapshotBlock block = { .size = sizeof(block) };

    file->layout.target_page_size = target_page_size;
    snapshot_file_write(file);
    snapshot_file_open(file);
    CHECK_OK(uffd_snapshot_block(file->snapshot, 0, &block));
    CHECK_EQ(block.page_size, target_page_size);

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_load(1024);
    check_load(16384);
    check_load(65536);
    return 0;
}
