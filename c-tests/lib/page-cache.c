/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "page-cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

#define CACHESTAT 451

void page_cache_drop(int fd)
{
    CHECK_EQ(fdatasync(fd), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

void page_cache_fill(int fd)
{
    static char bytes[1 << 20];
    off_t at = 0;
    ssize_t length;

    while ((length = pread(fd, bytes, sizeof(bytes), at)) > 0) {
        at += length;
    }
    CHECK_EQ(length, 0);
}

size_t page_cache_bytes(int fd)
{
    const size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    struct stat status;
    size_t held = 0;

    CHECK_EQ(fstat(fd, &status), 0);
    const size_t length = (size_t)status.st_size, pages = (length + page_size - 1) / page_size;
    unsigned char *present = malloc(pages);
    void *mapped = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(present != NULL && mapped != MAP_FAILED);
    CHECK_EQ(mincore(mapped, length, present), 0);
    for (size_t page = 0; page < pages; page++) {
        held += present[page] & 1 ? page_size : 0;
    }
    CHECK_EQ(munmap(mapped, length), 0);
    free(present);
    return held;
}

bool page_cache_is_told(void)
{
    return syscall(CACHESTAT, -1, NULL, NULL, 0) != -1 || errno != ENOSYS;
}
