/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "walkers.h"

#include <stdlib.h>
#include <string.h>

struct place {
    const RAMBlock *rb;
    size_t page;
};

struct walker {
    pthread_t thread;
    struct place *places;
    size_t count;
};

struct walkers {
    unsigned count;
    struct walker walkers[];
};

static void list_places(struct walker *walker, const MigrationIncomingState *vm)
{
    size_t count = 0;

    for (unsigned i = 0; i < vm->block_count; i++) {
        count += vm->blocks[i]->pages;
    }
    walker->places = calloc(count, sizeof(*walker->places));
    CHECK(walker->places != NULL);
    for (unsigned i = 0; i < vm->block_count; i++) {
        for (size_t page = 0; page < vm->blocks[i]->pages; page++) {
            walker->places[walker->count++] = (struct place) { .rb = vm->blocks[i], .page = page };
        }
    }
}

static void shuffle(struct walker *walker, unsigned short seed)
{
    unsigned short state[3] = { seed, seed, seed };

    for (size_t i = walker->count; i > 1; i--) {
        size_t other = (size_t)nrand48(state) % i;
        struct place place = walker->places[i - 1];

        walker->places[i - 1] = walker->places[other];
        walker->places[other] = place;
    }
}

static void *walk(void *opaque)
{
    const struct walker *walker = opaque;

    for (size_t i = 0; i < walker->count; i++) {
        const RAMBlock *rb = walker->places[i].rb;
        const size_t page = walker->places[i].page;

        if (memcmp(ram_page(rb, page), ram_source(rb, page), rb->page_size) != 0) {
            CHECK_PAGE(rb, page); /* finds the byte */
            FAIL("block %s, page %zu: was wrong when first touched, is right now", rb->idstr, page);
        }
    }
    return NULL;
}

struct walkers *walkers_start(const MigrationIncomingState *vm, unsigned threads)
{
    struct walkers *walkers = calloc(1, sizeof(*walkers) + threads * sizeof(walkers->walkers[0]));

    CHECK(walkers != NULL);
    walkers->count = threads;
    for (unsigned i = 0; i < threads; i++) {
        list_places(&walkers->walkers[i], vm);
        shuffle(&walkers->walkers[i], (unsigned short)(i + 1));
    }
    for (unsigned i = 0; i < threads; i++) {
        CHECK_EQ(pthread_create(&walkers->walkers[i].thread, NULL, walk, &walkers->walkers[i]), 0);
    }
    return walkers;
}

void walkers_finish(struct walkers *walkers)
{
    for (unsigned i = 0; i < walkers->count; i++) {
        CHECK_EQ(pthread_join(walkers->walkers[i].thread, NULL), 0);
        free(walkers->walkers[i].places);
    }
    free(walkers);
}
