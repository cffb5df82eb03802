/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Threads that stand for vCPUs. Each uses every page of a local working set once, in an order of its own, and then
 * every page of a scattered one. It writes to one page in four, and reads the others. A write leaves the bytes as they
 * are.
 */

#ifndef VCPUS_H
#define VCPUS_H

#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"
#include "histogram.h"
#include "working-set.h"

struct vcpu {
    pthread_t thread;
    sem_t go; /* the guest runs */
    const struct MigrationIncomingState *guest;
    uint64_t page_size;
    struct piece *pieces; /* in its own order: first the local ones, then the scattered ones */
    size_t piece_count;
    size_t local_count;
    /* now_ns() when these accesses were done. */
    uint64_t first_page_ns;
    uint64_t local_ns;
    uint64_t scattered_ns;
    uint64_t latency[HISTOGRAM_BUCKETS]; /* of each access */
};

struct vcpus {
    struct vcpu *each;
    size_t count;
};

/* A clock, in nanoseconds. */
uint64_t now_ns(void);

/* Makes threads that wait for vcpus_start(). Exits with a message on failure. */
struct vcpus vcpus_create(size_t count, const struct working_set *local, const struct working_set *scattered,
                          uint64_t seed);

/* The guest runs from now on. NULL: it never runs. */
void vcpus_start(struct vcpus *vcpus, const struct MigrationIncomingState *guest);

/* Waits until each thread has used both working sets. */
void vcpus_join(struct vcpus *vcpus);

/* now_ns() when the first thread had its first page. */
uint64_t vcpus_first_page_ns(const struct vcpus *vcpus);

/* now_ns() when the last thread had used the local working set. */
uint64_t vcpus_local_ns(const struct vcpus *vcpus);

/* now_ns() when the last thread had used the scattered working set, too. */
uint64_t vcpus_scattered_ns(const struct vcpus *vcpus);

/* Adds the latencies of all threads. */
void vcpus_add_latency(const struct vcpus *vcpus, uint64_t latency[HISTOGRAM_BUCKETS]);

void vcpus_free(struct vcpus *vcpus);

#endif
