/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A descriptor that was opened with O_DIRECT: the library opens the file again without it. If that fails, because the
 * file is no longer readable, the message says so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 64

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    struct snapshot_file *file = snapshot_file_new(vm);
    char *path = scratch_path("snapshot");

    close(file->fd);
    file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(file->fd >= 0);
    snapshot_file_write(file);
    const int direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (direct < 0) {
        SKIP("the file system of %s has no direct reads", path);
    }
    file->snapshot = uffd_snapshot_open_fd(direct, 0);
    if (file->snapshot == NULL) {
        FAIL("%s", uffd_incoming_error());
    }
    CHECK(fcntl(direct, F_GETFL) & O_DIRECT);

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    /* Root may read it all the same. */
    if (geteuid() != 0) {
        CHECK_EQ(chmod(path, 0), 0);
        CHECK(uffd_snapshot_open_fd(direct, 0) == NULL);
        CHECK_EQ(errno, EINVAL);
        CHECK_ERROR_HAS("O_DIRECT");
    }

    close(direct);
    vm_end(vm);
    snapshot_file_free(file);
    free(path);
    return 0;
}
