/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "comparison.h"

#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PART (2ULL << 20) /* what is read and compared at once; the cache of a CPU holds it */

static const struct RAMBlock *find_block(const struct MigrationIncomingState *guest, const char *idstr)
{
    for (size_t i = 0; i < guest->block_count; i++) {
        if (strcmp(guest->blocks[i].idstr, idstr) == 0) {
            return &guest->blocks[i];
        }
    }
    return NULL;
}

/* Says whether a part of the RAM at `offset` is the same, or where it first differs. */
static bool is_same(const uint8_t *expected, const uint8_t *seen, uint64_t offset, uint64_t length, FILE *table)
{
    uint64_t at = 0;

    if (memcmp(expected, seen, length) == 0) {
        return true;
    }
    while (expected[at] == seen[at]) {
        at++;
    }
    fprintf(table, "DIFFERS at offset 0x%" PRIx64 ": expected %#04x, seen %#04x\n", offset + at, expected[at],
            seen[at]);
    return false;
}

static bool compare_bytes(const struct plain_snapshot *reference, const struct plain_block *block,
                          const struct RAMBlock *rb, FILE *table)
{
    bool same = true;
    uint8_t *expected = malloc(PART);

    if (!expected) {
        err(2, "malloc");
    }
    for (uint64_t offset = 0; same && offset < block->length; offset += PART) {
        const uint64_t left = block->length - offset;
        const uint64_t length = left < PART ? left : PART;

        memset(expected, 0, length);
        plain_read_part(reference, block, offset, length, expected);
        same = is_same(expected, rb->host + offset, offset, length, table);
    }
    free(expected);
    if (same) {
        fputs("identical\n", table);
    }
    return same;
}

static bool compare_block(const struct plain_snapshot *reference, const struct plain_block *block,
                          const struct RAMBlock *rb, FILE *table)
{
    const uint64_t pages = plain_pages(block);
    const uint64_t data = plain_data_pages(block);

    fprintf(table, "  %-26s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "  ", block->idstr, data, pages - data, pages);
    if (!rb) {
        fputs("NOT RESTORED\n", table);
        return false;
    }
    if (rb->length != block->length) {
        fprintf(table, "DIFFERS in length: expected %" PRIu64 ", seen %" PRIu64 "\n", block->length, rb->length);
        return false;
    }
    return compare_bytes(reference, block, rb, table);
}

bool compare(const struct plain_snapshot *reference, const struct MigrationIncomingState *guest, FILE *table)
{
    bool identical = true;

    fprintf(table, "  %-26s %9s %9s %9s  compared with a plain read\n", "RAM block", "data", "zero", "pages");
    for (size_t i = 0; i < reference->block_count; i++) {
        const struct plain_block *block = &reference->blocks[i];

        identical &= compare_block(reference, block, find_block(guest, block->idstr), table);
    }
    if (reference->block_count != guest->block_count) {
        fprintf(table, "  DIFFERS in the number of blocks: expected %zu, seen %zu\n", reference->block_count,
                guest->block_count);
        identical = false;
    }
    return identical;
}
