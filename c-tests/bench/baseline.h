/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What VMMs do without the library, as bare as it can be.
 */
#ifndef BASELINE_H
#define BASELINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "image.h"

enum baseline_kind {
    BASELINE_POLL, /* asleep in poll(), reads one event, preads one page, copies it */
    BASELINE_SPIN, /* spins on a nonblocking read of many events, copies from memory */
    BASELINE_NEAR, /* asleep in poll() on the faulting thread's CPU, copies from memory */
    BASELINE_SPIN_READING, /* the same two, but each page is pread, as who restores from a file has to */
    BASELINE_NEAR_READING,
};

struct baseline {
    enum baseline_kind kind;
    const struct image *image;
    const struct ram *ram;
    int uffd;
    int wake_up; /* an eventfd: ends the sleep of the thread that serves */
    atomic_bool quit;
    pthread_t server;
    pthread_t background;
    bool has_background;
    atomic_bool background_done;
};

/*
 * Serves the RAM; `near_cpu` is where BASELINE_NEAR and _NEAR_READING do. With `background`, another thread preads and copies
 * all the RAM in units of 2 MiB.
 */
void baseline_start(struct baseline *baseline, enum baseline_kind kind, const struct image *image,
                    const struct ram *ram, int near_cpu, bool background);
void baseline_stop(struct baseline *baseline);

/* All RAM by pread and UFFDIO_COPY of 4 KiB each; nothing faults. */
void baseline_loop4k(const struct image *image, const struct ram *ram);
/* All RAM by plain pread, no userfaultfd. */
void baseline_read(const struct image *image, const struct ram *ram);
/* The file in place of the RAM, private; no userfaultfd. */
void baseline_mmap(const struct image *image, const struct ram *ram);

#endif
