/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* An invalid description of a flat image is refused. The message names the file and the reason. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "flat-file.h"

#define FIRST "uffd-incoming flat 1\n"
#define IMAGE FIRST "image image\n"

static const struct wrong {
    const char *text;
    const char *words;
    int error;
} table[] = {
    { "", "neither", EINVAL },
    { "uffd-incoming\n", "neither", EINVAL },
    { "uffd-incoming flat 2\nimage image\nblock 0 4096 ram\n", "version", EINVAL },
    { FIRST "block 0 4096 ram\n", "image", EINVAL },
    { FIRST "image\nblock 0 4096 ram\n", "image", EINVAL },
    { FIRST "image nowhere\nblock 0 4096 ram\n", "nowhere", ENOENT },
    { FIRST "image .\nblock 0 4096 ram\n", "directory", EINVAL },
    { IMAGE "image image\nblock 0 4096 ram\n", "image", EINVAL },
    { IMAGE, "no RAM block", EINVAL },
    { IMAGE "blocks 0 4096 ram\n", "blocks", EINVAL },
    { IMAGE "block\n", "line 3", EINVAL },
    { IMAGE "block 0\n", "line 3", EINVAL },
    { IMAGE "block 0 4096\n", "line 3", EINVAL },
    { IMAGE "block zero 4096 ram\n", "zero", EINVAL },
    { IMAGE "block -4096 4096 ram\n", "-4096", EINVAL },
    { IMAGE "block 100 4096 ram\n", "multiple of 4096", EINVAL },
    { IMAGE "block 0 100 ram\n", "multiple of 4096", EINVAL },
    { IMAGE "block 0 0 ram\n", "length", EINVAL },
    { IMAGE "block 0xfffffffffffff000 4096 ram\n", "line 3", EINVAL },
    { IMAGE "block 0xfffffffffffff000 8192 ram\n", "line 3", EINVAL },
    { IMAGE "block 0 0x10000000000000000 ram\n", "0x10000000000000000", EINVAL },
    { IMAGE "block 12288 8192 ram\n", "ram", EINVAL }, /* the image has 16384 bytes */
    { IMAGE "block 0 4096 ram\nblock 4096 4096 ram\n", "'ram'", EINVAL },
    { IMAGE "block 0 8192 ram\nblock 4096 4096 rom\n", "overlap", EINVAL },
};

int main(void)
{
    struct flat_file file = flat_file_new(16384);

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct wrong *wrong = &table[i];

        flat_file_describe(&file, wrong->text);
        errno = 0;
        if (uffd_snapshot_open(file.description) != NULL) {
            FAIL("expected this to be refused, was opened: %s", wrong->text);
        }
        if (errno != wrong->error) {
            FAIL("expected %s, saw %s for: %s", strerror(wrong->error), strerror(errno), wrong->text);
        }
        CHECK_ERROR_HAS(file.description);
        CHECK_ERROR_HAS(wrong->words);
    }

    flat_file_describe(&file, IMAGE "block 0 16384 ram\n");
    UffdSnapshot *snapshot = uffd_snapshot_open(file.description);
    CHECK(snapshot != NULL); /* nothing above was refused for another reason */
    uffd_snapshot_close(snapshot);
    flat_file_remove(&file);
    return 0;
}
