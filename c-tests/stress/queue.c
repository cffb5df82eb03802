/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "memory.h"

/* What does not fit is asked for again, like what is lost. */
#define ROOM 4096
#define PATIENCE_NS 2000000

struct entry {
    struct memory *memory;
    size_t page;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    unsigned first, count;
    struct entry entries[ROOM];
};

struct queue *queue_new(void)
{
    struct queue *queue = calloc(1, sizeof(*queue));

    CHECK(queue != NULL);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->filled, NULL);
    return queue;
}

void queue_free(struct queue *queue)
{
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->filled);
    free(queue);
}

void queue_push(struct queue *queue, struct memory *memory, size_t page)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->count < ROOM) {
        queue->entries[(queue->first + queue->count++) % ROOM] = (struct entry) { memory, page };
    }
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

bool queue_pop(struct queue *queue, struct memory **memory, size_t *page)
{
    struct timespec until;
    bool found;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PATIENCE_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&queue->lock);
    if (queue->count == 0) {
        pthread_cond_timedwait(&queue->filled, &queue->lock, &until);
    }
    found = queue->count > 0;
    if (found) {
        struct entry entry = queue->entries[queue->first];

        queue->first = (queue->first + 1) % ROOM;
        queue->count--;
        *memory = entry.memory;
        *page = entry.page;
    }
    pthread_mutex_unlock(&queue->lock);
    return found;
}

bool queue_is_empty(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    const bool empty = queue->count == 0;
    pthread_mutex_unlock(&queue->lock);
    return empty;
}

void queue_clear(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->count = 0;
    pthread_mutex_unlock(&queue->lock);
}
