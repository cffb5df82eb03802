/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uffd_snapshot_open_fd() duplicates the descriptor. The caller may close its own, and its position does not matter.
 */
#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    struct snapshot_file *file = snapshot_file_new(vm);

    snapshot_file_write(file);
    CHECK_EQ(lseek(file->fd, 77, SEEK_SET), 77);
    snapshot_file_open(file);
    CHECK_EQ(lseek(file->fd, 0, SEEK_CUR), 77);
    CHECK_EQ(close(file->fd), 0);
    file->fd = -1;

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
