/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The pages that the guest uses before all others: pieces of RAM, chosen at random.
 */

#ifndef WORKING_SET_H
#define WORKING_SET_H

#include <stddef.h>
#include <stdint.h>

#include "guest.h"

/* Neighbouring pages of one RAM block. */
struct piece {
    uint32_t block;
    uint32_t page_count;
    uint64_t first_page;
};

struct working_set {
    struct piece *pieces;
    size_t piece_count;
    uint64_t page_size; /* the host's */
    uint64_t page_count;
};

/*
 * Chooses `bytes` of the guest's RAM, or all of it if that is less, in pieces of `piece_bytes`, which is at least a
 * page. The RAM need not be mapped.
 */
struct working_set working_set_choose(const struct MigrationIncomingState *guest, uint64_t bytes,
                                      uint64_t piece_bytes, uint64_t seed);

/* Puts pieces in a random order; the same seed gives the same order. */
void working_set_shuffle(struct piece *pieces, size_t count, uint64_t seed);

void working_set_free(struct working_set *set);

#endif
