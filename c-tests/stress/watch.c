/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "watch.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ram.h"

#define PATIENCE_SECONDS 60
#define PLACES 128

struct place {
    _Atomic(const char *) name;
    _Atomic(const char *) what;
    _Atomic(const struct RAMBlock *) rb;
    atomic_size_t page;
    unsigned machine, number;
};

static struct place places[PLACES];
static _Thread_local struct place *mine;
static atomic_ullong progress;
static _Atomic uint64_t seed;
static struct timespec began;

static void say_seed(void)
{
    fprintf(stderr, "found with SEED=%" PRIu64 "\n", (uint64_t)seed);
}

static void *watch(void *opaque)
{
    unsigned long long last = progress;
    unsigned still = 0;

    while (still < PATIENCE_SECONDS) {
        sleep(1);
        const unsigned long long now = progress;
        still = now == last ? still + 1 : 0;
        last = now;
    }
    say_seed();
    fprintf(stderr, "no progress for %d seconds:\n", PATIENCE_SECONDS);
    for (struct place *place = places; place < places + PLACES; place++) {
        const char *name = place->name, *what = place->what;
        const struct RAMBlock *rb = place->rb;

        if (name != NULL) {
            fprintf(stderr, "  machine %u, %s %u: %s, block %s, page %zu\n", place->machine, name, place->number,
                    what ? what : "begins", rb ? rb->idstr : "-", (size_t)place->page);
        }
    }
    abort();
    return opaque;
}

void watch_start(void)
{
    pthread_t thread;

    alarm(0); /* that of the tests is for less */
    check_before_end(say_seed);
    CHECK_EQ(pthread_create(&thread, NULL, watch, NULL), 0);
}

void watch_round(uint64_t round_seed)
{
    seed = round_seed;
    clock_gettime(CLOCK_MONOTONIC, &began);
}

uint32_t watch_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((now.tv_sec - began.tv_sec) * 1000000 + (now.tv_nsec - began.tv_nsec) / 1000);
}

void watch_enter(const char *name, unsigned machine, unsigned number)
{
    for (struct place *place = places; place < places + PLACES; place++) {
        const char *nobody = NULL;

        if (atomic_compare_exchange_strong(&place->name, &nobody, name)) {
            place->what = NULL;
            place->rb = NULL;
            place->machine = machine;
            place->number = number;
            mine = place;
            return;
        }
    }
    FAIL("more than %d threads", PLACES);
}

void watch_leave(void)
{
    mine->rb = NULL;
    mine->name = NULL;
    mine = NULL;
}

void watch_doing(const char *what, const struct RAMBlock *rb, size_t page)
{
    if (mine != NULL) {
        mine->what = what;
        mine->rb = rb;
        mine->page = page;
    }
}

void watch_progress(void)
{
    progress++;
}
