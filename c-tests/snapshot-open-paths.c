/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Opening something that is not a snapshot fails with an errno and a message with the path. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static void check_refused(const char *path, int error, const char *words)
{
    errno = 0;
    if (uffd_snapshot_open(path) != NULL) {
        FAIL("expected %s to be refused, was opened", path);
    }
    if (errno != error || strstr(uffd_incoming_error(), words) == NULL) {
        FAIL("%s: expected %s with '%s' in words, saw %s: %s", path, strerror(error), words, strerror(errno),
             uffd_incoming_error());
    }
}

static void check_fd_refused(int fd, int error)
{
    errno = 0;
    CHECK(uffd_snapshot_open_fd(fd, 0) == NULL);
    CHECK_EQ(errno, error);
    CHECK(uffd_incoming_error()[0] != '\0');
}

int main(void)
{
    char directory[] = "/tmp/uffd-incoming-test-XXXXXX";
    int pipe_ends[2];

    CHECK(mkdtemp(directory) != NULL);
    check_refused(directory, EINVAL, "directory");
    CHECK_EQ(rmdir(directory), 0);
    check_refused(directory, ENOENT, directory);
    check_refused("", ENOENT, "");
    check_refused("/dev/null", EINVAL, "/dev/null");
    check_refused("/proc/self/exe", EINVAL, "/proc/self/exe");
    check_refused(NULL, EINVAL, "NULL");

    CHECK_EQ(pipe(pipe_ends), 0);
    check_fd_refused(pipe_ends[0], EINVAL);
    check_fd_refused(-1, EBADF);

    uffd_snapshot_close(NULL);
    return 0;
}
