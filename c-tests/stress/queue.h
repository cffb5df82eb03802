/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Pages that the handler was asked for, and that another thread places later.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct memory;

struct queue *queue_new(void);
void queue_free(struct queue *queue);

void queue_push(struct queue *queue, struct memory *memory, size_t page);

/* Waits some milliseconds at most; false when there was nothing. */
bool queue_pop(struct queue *queue, struct memory **memory, size_t *page);

bool queue_is_empty(struct queue *queue);

/* Forgets all. */
void queue_clear(struct queue *queue);

#endif
