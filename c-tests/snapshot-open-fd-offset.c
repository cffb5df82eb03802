/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A snapshot that starts within a file, as with QEMU's file:PATH,offset=N, is opened at that offset only. */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    struct snapshot_file *file = snapshot_file_new(vm);

    file->layout.start = 12345;
    snapshot_file_write(file);
    CHECK(uffd_snapshot_open_fd(file->fd, 0) == NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK(uffd_snapshot_open_fd(file->fd, UINT64_MAX) == NULL);
    CHECK_EQ(errno, EINVAL);

    snapshot_file_open(file);
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
