/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A snapshot on storage that serves many reads at once, but each of them late, as a network does: a FUSE file system.
 */
#ifndef SLOW_IMAGE_H
#define SLOW_IMAGE_H

#include "image.h"

struct slow_image {
    struct image behind; /* what the storage holds */
    struct image image;  /* the same, as it comes from there; its pages are in the page cache once they were read */
    pid_t server;
};

/*
 * Each read takes that long. False, with a line that says why, where file systems cannot be mounted. Call it while there are no
 * other threads: it gives the process a mount namespace.
 */
bool slow_image_new(struct slow_image *slow, const char *path, size_t length, unsigned read_us);
void slow_image_free(struct slow_image *slow);

#endif
