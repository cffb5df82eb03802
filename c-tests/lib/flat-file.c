/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "flat-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "scratch.h"

struct flat_file flat_file_new(uint64_t length)
{
    struct flat_file file = { .description = scratch_path("snapshot"), .image = scratch_path("image") };

    file.image_fd = open(file.image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(file.image_fd >= 0);
    CHECK_EQ(ftruncate(file.image_fd, (off_t)length), 0);
    return file;
}

void flat_file_describe(const struct flat_file *file, const char *text)
{
    FILE *description = fopen(file->description, "w");

    CHECK(description != NULL);
    CHECK(fputs(text, description) >= 0);
    CHECK_EQ(fclose(description), 0);
}

void flat_file_remove(const struct flat_file *file)
{
    close(file->image_fd);
    free(file->image);
    free(file->description);
}
