/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "comparison.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "plain-read.h"
#include "vcpus.h"

static const struct RAMBlock *find_block(const struct MigrationIncomingState *guest, const char *idstr)
{
    for (size_t i = 0; i < guest->block_count; i++) {
        if (strcmp(guest->blocks[i].idstr, idstr) == 0) {
            return &guest->blocks[i];
        }
    }
    return NULL;
}

/* Says whether two memories are the same, or where they first differ. */
static bool print_difference(const uint8_t *expected, const uint8_t *seen, uint64_t length)
{
    if (memcmp(expected, seen, length) == 0) {
        puts("identical");
        return true;
    }
    uint64_t offset = 0;
    while (expected[offset] == seen[offset]) {
        offset++;
    }
    printf("DIFFERS at offset %#" PRIx64 ": expected %#04x, seen %#04x\n", offset, expected[offset],
           seen[offset]);
    return false;
}

static uint8_t *map_anonymous(uint64_t length)
{
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        err(2, "cannot map %" PRIu64 " bytes to read a block into", length);
    }
    return memory;
}

static bool compare_block(const struct plain_snapshot *snapshot, const struct plain_block *block,
                          const struct RAMBlock *rb, uint64_t *read_ns)
{
    const uint64_t pages = block->length / block->page_size;
    const uint64_t data = plain_data_pages(block);

    printf("  %-26s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "  ", block->idstr, data, pages - data, pages);
    if (!rb) {
        puts("NOT RESTORED");
        return false;
    }
    if (rb->length != block->length) {
        printf("DIFFERS in length: expected %" PRIu64 ", seen %" PRIu64 "\n", block->length, rb->length);
        return false;
    }

    uint64_t begun = now_ns();
    uint8_t *expected = map_anonymous(block->length);
    plain_read(snapshot, block, expected);
    *read_ns += now_ns() - begun;

    bool identical = print_difference(expected, rb->host, block->length);
    munmap(expected, block->length);
    return identical;
}

struct comparison compare_with(const char *path, const struct MigrationIncomingState *guest)
{
    struct comparison result = { .identical = true };
    struct plain_snapshot snapshot;
    uint64_t begun = now_ns();

    plain_open(&snapshot, path);
    result.plain_read_ns = now_ns() - begun;

    printf("  %-26s %9s %9s %9s  compared with a plain read\n", "RAM block", "data", "zero", "pages");
    for (size_t i = 0; i < snapshot.block_count; i++) {
        const struct plain_block *block = &snapshot.blocks[i];
        const struct RAMBlock *rb = find_block(guest, block->idstr);

        result.identical &= compare_block(&snapshot, block, rb, &result.plain_read_ns);
    }
    if (snapshot.block_count != guest->block_count) {
        printf("  DIFFERS in the number of blocks: expected %zu, seen %zu\n", snapshot.block_count,
               guest->block_count);
        result.identical = false;
    }
    plain_close(&snapshot);
    return result;
}
