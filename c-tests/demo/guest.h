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
    const char *idstr;
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

/* Maps RAM for every block of the snapshot, whose names it borrows. Exits with a message when it cannot. */
void guest_create(struct MigrationIncomingState *guest, struct UffdSnapshot *snapshot,
                  enum guest_memory memory);

void guest_destroy(struct MigrationIncomingState *guest);

#endif
