/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A mapped-ram file in which one number is wrong is refused when it is opened. The message names what is wrong. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "snapshot-file.h"

/* Where the number that is changed lies: from here, all in the second of two blocks of 64 pages. */
enum base {
    STREAM,
    RAM_SECTION,
    IDSTR,
    LENGTH,
    HEADER,
};

struct wrong {
    const char *what;
    enum base base;
    unsigned at;
    unsigned bytes;
    uint64_t number;
    const char *words;
    int error;
};

/* "Block" in the words stands for the second block's name. */
static const struct wrong table[] = {
    { "magic", STREAM, 0, 4, 0x5145564e, "QEVN", EINVAL },
    { "version of the stream", STREAM, 4, 4, 2, "version is 2", EINVAL },
    { "no configuration", STREAM, 8, 1, 1, "configuration", EINVAL },
    { "machine's name beyond the file", STREAM, 9, 4, 0xffffffff, "machine's name", EINVAL },
    { "kind of the RAM section", RAM_SECTION, 0, 1, 4, "RAM section", EINVAL },
    { "name of the RAM section", RAM_SECTION, 6, 1, 'R', "Ram", EINVAL },
    { "version of the RAM section", RAM_SECTION, 13, 4, 3, "version is 3", EINVAL },
    { "RAM section without sizes", RAM_SECTION, 17, 8, 0x80010, "flags", EINVAL },
    { "RAM section without blocks", RAM_SECTION, 17, 8, 4, "no RAM block", EINVAL },
    { "less RAM than its blocks", RAM_SECTION, 17, 8, 0x7f000 | 4, "Block", EINVAL },
    { "more RAM than its blocks", RAM_SECTION, 17, 8, ~0xfffULL | 4, "", EINVAL },
    { "block without a name", IDSTR, 0, 1, 0, "no name", EINVAL },
    { "name that is not UTF-8", IDSTR, 1, 1, 0xff, "UTF-8", EINVAL },
    { "name with a NUL", IDSTR, 1, 1, 0, "NUL", EINVAL },
    { "length 0", LENGTH, 0, 8, 0, "Block", EINVAL },
    { "length of half a page", LENGTH, 0, 8, 0x3f800, "Block", EINVAL },
    { "length above all RAM", LENGTH, 0, 8, 0x41000, "Block", EINVAL },
    { "length beyond 2^63", LENGTH, 0, 8, ~0xfffULL, "Block", EINVAL },
    { "version of the header", HEADER, 0, 4, 2, "version is 2", EINVAL },
    { "page size 0", HEADER, 4, 8, 0, "Block", EINVAL },
    { "page size that is no power of two", HEADER, 4, 8, 12288, "Block", EINVAL },
    { "page size beyond the block", HEADER, 4, 8, 1 << 20, "Block", EINVAL },
    { "page size beyond all sense", HEADER, 4, 8, 1ULL << 63, "Block", EINVAL },
    { "bitmap in the header", HEADER, 12, 8, 8, "Block", EINVAL },
    { "bitmap beyond the file", HEADER, 12, 8, 1ULL << 40, "Block", EINVAL },
    { "bitmap beyond 2^64", HEADER, 12, 8, ~7ULL, "Block", EINVAL },
    { "pages before the bitmap", HEADER, 20, 8, 0, "Block", EINVAL },
    { "misaligned pages", HEADER, 20, 8, 0x300200, "aligned", EINVAL },
    { "pages beyond the file", HEADER, 20, 8, 1ULL << 40, "Block", EINVAL },
    { "pages beyond 2^64", HEADER, 20, 8, ~0xfffULL, "Block", EINVAL },
};

static uint64_t base_offset(const struct snapshot_file *file, enum base base)
{
    switch (base) {
    case RAM_SECTION:
        return file->layout.ram_section_offset;
    case IDSTR:
        return file->blocks[1].idstr_offset;
    case LENGTH:
        return file->blocks[1].length_offset;
    case HEADER:
        return file->blocks[1].header_offset;
    default:
        return 0;
    }
}

static void check_refused(const struct snapshot_file *file, const struct wrong *wrong)
{
    const char *words = strcmp(wrong->words, "Block") == 0 ? file->blocks[1].idstr : wrong->words;
    const uint64_t offset = base_offset(file, wrong->base) + wrong->at;
    const uint64_t number = htobe64(wrong->number << (64 - 8 * wrong->bytes));
    uint64_t right;

    CHECK_EQ(pread(file->fd, &right, wrong->bytes, offset), wrong->bytes);
    CHECK_EQ(pwrite(file->fd, &number, wrong->bytes, offset), wrong->bytes);
    errno = 0;
    if (uffd_snapshot_open_fd(file->fd, 0) != NULL) {
        FAIL("%s: expected to be refused, was opened", wrong->what);
    }
    if (errno != wrong->error || strstr(uffd_incoming_error(), words) == NULL) {
        FAIL("%s: expected %s with '%s' in words, saw %s: %s", wrong->what, strerror(wrong->error), words,
             strerror(errno), uffd_incoming_error());
    }
    CHECK_EQ(pwrite(file->fd, &right, wrong->bytes, offset), wrong->bytes);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);

    vm_add_ram(vm, RAM_ANON, 64);
    struct snapshot_file *file = snapshot_file_of(vm);

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        check_refused(file, &table[i]);
    }

    uffd_snapshot_close(file->snapshot);
    snapshot_file_open(file); /* all was put right again: nothing above was refused for another reason */
    snapshot_file_free(file);
    vm_end(vm);
    return 0;
}
