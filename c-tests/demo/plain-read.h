/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Reads a snapshot the plain way, all at once, by its own understanding of the format: what the library is
 * compared with. It knows mapped-ram files and descriptions of flat images. It exits with a message when a
 * file makes no sense.
 */

#ifndef PLAIN_READ_H
#define PLAIN_READ_H

#include <stddef.h>
#include <stdint.h>

struct plain_block {
    char idstr[256];
    uint64_t length;
    uint64_t page_size;
    uint64_t pages_offset; /* where page 0 lies in the file */
    uint8_t *bitmap;       /* which pages lie in the file; the others are zero */
};

struct plain_snapshot {
    const char *path; /* of the file that `fd` reads */
    int fd;
    struct plain_block *blocks;
    size_t block_count;
};

void plain_open(struct plain_snapshot *snapshot, const char *path);

/* NULL when there is no such block. */
const struct plain_block *plain_find(const struct plain_snapshot *snapshot, const char *idstr);

/* How many pages of the block lie in the file. */
uint64_t plain_data_pages(const struct plain_block *block);

/* Reads a whole block into fresh, zeroed memory. */
void plain_read(const struct plain_snapshot *snapshot, const struct plain_block *block, uint8_t *ram);

void plain_close(struct plain_snapshot *snapshot);

#endif
