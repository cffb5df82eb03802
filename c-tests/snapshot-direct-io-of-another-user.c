/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * UFFD_LOAD_DIRECT_IO of a user who may read the snapshot but does not own it. Linux does not report the page cache
 * to this user, so the load reads everything from the disk. One warning says so. The owner gets none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "working-set.h"

#define PAGES 64
#define NOBODY 65534

static void load_directly_and_check(MigrationIncomingState *vm, struct snapshot_file *file)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = UFFD_LOAD_DIRECT_IO };

    const int loaded = uffd_incoming_load_snapshot(vm, file->snapshot, &config);
    if (loaded == -EINVAL) {
        SKIP("%s", uffd_incoming_error());
    }
    CHECK_OK(loaded);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
}

/* Whether the kernel tells: cachestat, Linux 6.5, which also told others than the owner until that was corrected. */
static bool is_told(int fd)
{
    const struct { uint64_t offset, length; } range = { 0, 1 };
    uint64_t found[5];

    return syscall(451, fd, &range, found, 0) == 0;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    char *path = scratch_path("snapshot");

    if (geteuid() != 0) {
        SKIP("only root becomes another user");
    }
    vm->config.flags |= UFFD_INCOMING_USER_MODE_ONLY;
    vm->config.log = log_warnings;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_file_new(vm);
    close(file->fd);
    file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    CHECK(file->fd >= 0);
    snapshot_file_write(file);
    snapshot_file_open(file);
    load_directly_and_check(vm, file);
    unsigned expected = is_told(file->fd) ? 0 : 1;
    CHECK_EQ(warnings_with(""), expected);
    snapshot_file_free(file);

    /* A descriptor that the owner opened for reading does as well. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    file = snapshot_file_new(vm);
    CHECK_EQ(seteuid(NOBODY), 0);
    expected += is_told(fd) ? 0 : 1;
    file->snapshot = uffd_snapshot_open_fd(fd, 0);
    CHECK(file->snapshot != NULL);
    load_directly_and_check(vm, file);
    CHECK_EQ(warnings_with("page cache"), expected);
    CHECK_EQ(warnings_with(""), expected);

    CHECK_EQ(seteuid(0), 0);
    close(fd);
    vm_end(vm);
    snapshot_file_free(file);
    free(path);
    return 0;
}
