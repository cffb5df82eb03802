/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The description of a flat image names another file. uffd_snapshot_open() opens it; uffd_snapshot_open_fd() refuses
 * it, so that the content of a descriptor chooses no file.
 */
#include <errno.h>
#include <fcntl.h>

#include "check.h"
#include "flat-file.h"

int main(void)
{
    struct flat_file file = flat_file_new(4096);

    flat_file_describe(&file, "uffd-incoming flat 1\nimage image\nblock 0 4096 ram\n");
    UffdSnapshot *snapshot = uffd_snapshot_open(file.description);
    CHECK(snapshot != NULL);
    uffd_snapshot_close(snapshot);

    int fd = open(file.description, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(uffd_snapshot_open_fd(fd, 0) == NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_ERROR_HAS("'uffd'");
    close(fd);
    flat_file_remove(&file);
    return 0;
}
