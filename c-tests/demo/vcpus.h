/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Threads that stand for vCPUs: each touches every page of the guest's RAM, in a random order of its own.
 */

#ifndef VCPUS_H
#define VCPUS_H

#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"
#include "histogram.h"

struct vcpu {
    pthread_t thread;
    sem_t go; /* the guest runs */
    uint8_t **pages; /* the addresses of all pages, in the order of touching */
    size_t page_count;
    uint64_t first_touch_ns;             /* now_ns() when its first page was there */
    uint64_t latency[HISTOGRAM_BUCKETS]; /* of each touch, as the thread saw it */
};

/* A clock, in nanoseconds. */
uint64_t now_ns(void);

/* Makes `count` of them, which wait for vcpus_start(). Exits with a message when it cannot. */
struct vcpu *vcpus_create(size_t count, const struct MigrationIncomingState *guest, uint64_t seed);

void vcpus_start(struct vcpu *vcpus, size_t count);

/* Waits until they have touched everything. */
void vcpus_join(struct vcpu *vcpus, size_t count);

/* now_ns() when the first page was there for the first of them. */
uint64_t vcpus_first_touch_ns(const struct vcpu *vcpus, size_t count);

void vcpus_free(struct vcpu *vcpus, size_t count);

#endif
