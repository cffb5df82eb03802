/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "random-reads.h"

#include "vcpus.h"

#define READS 500000

static const struct RAMBlock *largest_block(const struct MigrationIncomingState *guest)
{
    const struct RAMBlock *largest = &guest->blocks[0];

    for (size_t i = 1; i < guest->block_count; i++) {
        if (guest->blocks[i].length > largest->length) {
            largest = &guest->blocks[i];
        }
    }
    return largest;
}

uint64_t random_read_ns(const struct MigrationIncomingState *guest)
{
    const struct RAMBlock *rb = largest_block(guest);
    const uint64_t units = rb->length >> 12;
    uint64_t state = 1;

    uint64_t begun = now_ns();
    for (size_t i = 0; i < READS; i++) {
        /* Where the next read goes depends on what this one gave: the CPU cannot overlap them. */
        const uint64_t at = (state >> 32) * units >> 20;
        state = state * 6364136223846793005 + 1442695040888963407 + *(volatile uint8_t *)(rb->host + at);
    }
    return (now_ns() - begun) / READS;
}
