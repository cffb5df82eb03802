/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Reads a snapshot the plain way, all at once, by its own understanding of the format: what the library is
 * compared with. It knows mapped-ram files and descriptions of flat images. It exits with a message when a
 * file makes no sense.
 */

#ifndef PLAIN_READ_H
#define PLAIN_READ_H

#include <stdbool.h>
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

/* Consecutive pages of a block that lie in the file. */
struct plain_run {
    uint64_t first_page;
    uint64_t page_count;
};

/* Finds the first run from page `from` to before page `end`. Returns whether there is one. */
bool plain_next_run(const struct plain_block *block, uint64_t from, uint64_t end, struct plain_run *run);

/* Whether the pages that the bitmap calls zero are holes of the file: then nothing stale lies there. */
bool plain_zeros_are_holes(const struct plain_snapshot *snapshot, const struct plain_block *block);

uint64_t plain_pages(const struct plain_block *block);

/* Reads `length` bytes of the block at `offset`, both multiples of its page size, into zeroed memory. */
void plain_read_part(const struct plain_snapshot *snapshot, const struct plain_block *block, uint64_t offset,
                     uint64_t length, uint8_t *to);

/* Reads a whole block into fresh, zeroed memory. */
void plain_read(const struct plain_snapshot *snapshot, const struct plain_block *block, uint8_t *ram);

void plain_close(struct plain_snapshot *snapshot);

#endif
