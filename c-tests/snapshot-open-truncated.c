/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The real snapshot is refused if it was cut off anywhere before the end of its RAM. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "real-snapshot.h"

/* Where the entries of the RAM blocks begin, the first one together with all that comes before it. */
static const off_t structures[] = { 0, 0x1100000, 0x1220000, 0x1340000, 0x1420000, 0x1501000 };

/* Every byte counts there; pages, and the gaps before them, are cut in larger steps. */
static bool is_tried(off_t length)
{
    for (size_t i = 0; i < sizeof(structures) / sizeof(structures[0]); i++) {
        if (length >= structures[i] && length < structures[i] + 0x300) {
            return true;
        }
    }
    return length % 65521 == 0 || length == REAL_SNAPSHOT_RAM_END - 1;
}

static int copy_of_real_snapshot(void)
{
    int from = open(real_snapshot_path(), O_RDONLY | O_CLOEXEC);
    int copy = memfd_create("truncated", MFD_CLOEXEC);
    off_t at = 0;

    CHECK(from >= 0);
    CHECK(copy >= 0);
    while (at < REAL_SNAPSHOT_RAM_END) {
        CHECK(sendfile(copy, from, &at, REAL_SNAPSHOT_RAM_END - at) > 0);
    }
    close(from);
    return copy;
}

static void check_refused(int fd, off_t length)
{
    CHECK_EQ(ftruncate(fd, length), 0);
    errno = 0;
    if (uffd_snapshot_open_fd(fd, 0) != NULL) {
        FAIL("expected a snapshot cut off at %jd to be refused, was opened", (intmax_t)length);
    }
    if (errno != EINVAL || strstr(uffd_incoming_error(), "truncated") == NULL) {
        FAIL("cut off at %jd: expected EINVAL and 'truncated', saw %s: %s", (intmax_t)length, strerror(errno),
             uffd_incoming_error());
    }
}

int main(void)
{
    int fd = copy_of_real_snapshot();
    UffdSnapshot *whole = uffd_snapshot_open_fd(fd, 0);

    CHECK(whole != NULL);
    uffd_snapshot_close(whole);

    for (off_t length = REAL_SNAPSHOT_RAM_END - 1; length >= 0; length--) {
        if (is_tried(length)) {
            check_refused(fd, length);
        }
    }
    close(fd);
    return 0;
}
