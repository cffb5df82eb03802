/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A guest, as far as the library is concerned: RAM. A VMM has these two structs already, with much more in
 * them; the library never looks inside.
 */

#ifndef GUEST_H
#define GUEST_H

#include <stddef.h>
#include <stdint.h>

#include "uffd-incoming.h"

struct RAMBlock {
    char idstr[256];
    uint8_t *host;
    uint64_t length;
    uint64_t page_size;
};

struct MigrationIncomingState {
    struct RAMBlock *blocks;
    size_t block_count;
};

enum guest_memory {
    MEMORY_ANON,
    MEMORY_MEMFD,
    MEMORY_HUGETLB, /* for the blocks that are whole huge pages; anonymous memory for the others */
};

/* Adds a RAM block that is not mapped yet. The blocks may move. */
struct RAMBlock *guest_add_block(struct MigrationIncomingState *guest, const char *idstr, uint64_t length);

/* Maps empty RAM for every block. Exits with a message on failure. */
void guest_map(struct MigrationIncomingState *guest, enum guest_memory memory);

/* Unmaps the blocks that are mapped, and forgets all. */
void guest_destroy(struct MigrationIncomingState *guest);

#endif
