/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uffd_incoming_load_snapshot() refuses invalid arguments. Without a load, uffd_incoming_wait() gives an error. */
#include <errno.h>
#include <stddef.h>

#include "ram-contents.h"
#include "snapshot-file.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 16);
    struct snapshot_file *file = snapshot_file_of(vm);
    UffdLoadConfig config = { .size = sizeof(config) };

    CHECK_ERRNO(uffd_incoming_load_snapshot(NULL, file->snapshot, NULL), -EINVAL);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, NULL, NULL), -EINVAL);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, (UffdSnapshot *)vm, NULL), -ENOENT);
    CHECK_ERRNO(uffd_incoming_load_snapshot((MigrationIncomingState *)file, file->snapshot, NULL), -ENOENT);

    config.flags = 1ULL << 63;
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EINVAL);
    config = (UffdLoadConfig) { .size = offsetof(UffdLoadConfig, reader_threads) - 1 };
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EINVAL);
    config = (UffdLoadConfig) { .size = sizeof(config), .reserved = 1 };
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EINVAL);
    config = (UffdLoadConfig) { .size = sizeof(config), .reader_threads = 65 };
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EINVAL);
    config = (UffdLoadConfig) { .size = sizeof(config), .loader_threads = 65 };
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EINVAL);

    CHECK_ERRNO(uffd_incoming_wait(vm, 0), -EINVAL);

    /* NULL stands for the defaults. */
    CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, NULL));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
