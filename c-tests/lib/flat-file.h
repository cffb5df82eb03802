/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A flat image and its description, in the test's scratch directory: one of them in a test.
 */
#ifndef FLAT_FILE_H
#define FLAT_FILE_H

#include <stddef.h>
#include <stdint.h>

struct flat_file {
    char *description; /* its path */
    char *image;
    int image_fd;
};

/* Makes an image of `length` bytes that is one hole. The description is still missing. */
struct flat_file flat_file_new(uint64_t length);
void flat_file_describe(const struct flat_file *file, const char *text);
void flat_file_remove(const struct flat_file *file);

#endif
