/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Threads that touch missing pages, served by the library or by a baseline.
 */
#ifndef FAULTING_H
#define FAULTING_H

#include <pthread.h>
#include <stdatomic.h>

#include "baseline.h"
#include "measure.h"
#include "ours.h"

/* Who serves the faults. */
struct way {
    const char *name;
    bool is_ours;
    struct ours ours;
    enum baseline_kind baseline;
};

struct served {
    const struct way *way;
    const struct image *image;
    struct ram ram;
    struct baseline baseline;
    bool has_background;
    pthread_t waiter; /* for the library's background load */
    atomic_bool background_done;
};

/* `near_cpu`: see baseline_start(). */
void served_start(struct served *served, const struct way *way, const struct image *image, int near_cpu,
                  bool background);
bool served_background_done(const struct served *served);
void served_stop(struct served *served);

/* All pages of the RAM in an order of its own for each seed. To be freed. */
size_t *shuffled(size_t count, uint64_t seed);

#endif
