/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "crowd.h"

#include <pthread.h>

#define THREADS 4

struct turns {
    const RAMBlock *rb;
    size_t count;
    atomic_size_t next;
};

static void *fault_by_turns(void *opaque)
{
    struct turns *turns = opaque;
    size_t page;

    while ((page = turns->next++) < turns->count) {
        CHECK_EQ(*(volatile uint8_t *)ram_page(turns->rb, page), 0);
    }
    return NULL;
}

void crowd_gather(const RAMBlock *rb, size_t count)
{
    struct turns turns = { .rb = rb, .count = count };
    pthread_t threads[THREADS];

    ram_discard(rb, 0, count);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, fault_by_turns, &turns), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
}
