/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#define _GNU_SOURCE /* nrand48() */
#include "working-set.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void working_set_shuffle(struct piece *pieces, size_t count, uint64_t seed)
{
    unsigned short state[3];

    memcpy(state, &seed, sizeof(state));
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)nrand48(state) % i;
        struct piece piece = pieces[i - 1];

        pieces[i - 1] = pieces[other];
        pieces[other] = piece;
    }
}

/* Divides all RAM into pieces; the last one of a block may be smaller. */
static void divide(struct working_set *set, const struct MigrationIncomingState *guest, uint64_t pages_per_piece)
{
    size_t room = 0;

    for (size_t i = 0; i < guest->block_count; i++) {
        room += guest->blocks[i].length / set->page_size / pages_per_piece + 1;
    }
    set->pieces = calloc(room, sizeof(*set->pieces));
    if (!set->pieces) {
        err(2, "calloc");
    }
    for (size_t i = 0; i < guest->block_count; i++) {
        const uint64_t pages = guest->blocks[i].length / set->page_size;

        for (uint64_t page = 0; page < pages; page += pages_per_piece) {
            const uint64_t left = pages - page;

            set->pieces[set->piece_count++] = (struct piece){
                .block = (uint32_t)i,
                .first_page = page,
                .page_count = (uint32_t)(left < pages_per_piece ? left : pages_per_piece),
            };
        }
    }
}

struct working_set working_set_choose(const struct MigrationIncomingState *guest, uint64_t bytes,
                                      uint64_t piece_bytes, uint64_t seed)
{
    struct working_set set = { .page_size = (uint64_t)sysconf(_SC_PAGESIZE) };
    const uint64_t wanted = bytes / set.page_size;
    size_t count = 0;

    divide(&set, guest, piece_bytes / set.page_size);
    working_set_shuffle(set.pieces, set.piece_count, seed);
    while (count < set.piece_count && set.page_count < wanted) {
        set.page_count += set.pieces[count++].page_count;
    }
    set.piece_count = count;
    return set;
}

void working_set_free(struct working_set *set)
{
    free(set->pieces);
}
