/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A client's mapping of a shared block, with a userfaultfd of its own.
 */
#ifndef VIEW_H
#define VIEW_H

#include <stddef.h>
#include <stdint.h>

struct view {
    uint8_t *at;
    int uffd; /* the caller closes it */
    uint8_t *reserved;
    size_t reserved_length;
};

/* Maps the file and registers it for missing pages. */
struct view view_new(int fd, size_t length, size_t page_size);
void view_unmap(const struct view *view);

#endif
