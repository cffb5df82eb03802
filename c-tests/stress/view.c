/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "view.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "ram.h"

/* Not aligned as the machine's own mapping is, but for huge pages, which must be. */
static void map(struct view *view, int fd, size_t length, size_t page_size)
{
    const size_t behind = page_size == HUGE_PAGE ? 0 : page_size;

    view->reserved_length = length + 2 * HUGE_PAGE;
    view->reserved = mmap(NULL, view->reserved_length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(view->reserved != MAP_FAILED);
    view->at = (uint8_t *)(((uintptr_t)view->reserved + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1)) + behind;
    CHECK_EQ(mmap(view->at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), view->at);
}

struct view view_new(int fd, size_t length, size_t page_size)
{
    struct view view = { .uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC) };
    struct uffdio_api api = { .api = UFFD_API };

    map(&view, fd, length, page_size);
    CHECK(view.uffd >= 0);
    CHECK_EQ(ioctl(view.uffd, UFFDIO_API, &api), 0);
    struct uffdio_register registration = {
        .range = { .start = (uintptr_t)view.at, .len = length },
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    CHECK_EQ(ioctl(view.uffd, UFFDIO_REGISTER, &registration), 0);
    return view;
}

void view_unmap(const struct view *view)
{
    CHECK_EQ(munmap(view->reserved, view->reserved_length), 0);
}
