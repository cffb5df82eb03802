/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How many faults of several threads are served in a second.
 */
#include "bench.h"

#include <stdlib.h>

#include "cpus.h"
#include "faulting.h"
#include "report.h"

#define FAULTS 16000
#define MOST_THREADS 8

enum { OURS_ONE, OURS_SPINNING, OURS_TWO, SPIN, SPIN_READING, POLL, WAYS };

static const struct way ways[WAYS] = {
    [OURS_ONE] = { .name = "ours", .is_ours = true },
    [OURS_SPINNING] = { .name = "ours, spin_us 50", .is_ours = true, .ours = { .spin_us = 50 } },
    [OURS_TWO] = { .name = "ours, fault_threads 2", .is_ours = true, .ours = { .fault_threads = 2 } },
    [SPIN] = { .name = "spin", .baseline = BASELINE_SPIN },
    [SPIN_READING] = { .name = "spin, reading", .baseline = BASELINE_SPIN_READING },
    [POLL] = { .name = "poll", .baseline = BASELINE_POLL },
};

struct toucher {
    const uint8_t *host;
    const size_t *pages;
    size_t count;
};

static void *touch(void *opaque)
{
    const struct toucher *toucher = opaque;

    for (size_t i = 0; i < toucher->count; i++) {
        check_page(toucher->host, toucher->pages[i]);
    }
    return NULL;
}

static double faults_a_second(const struct way *way, const struct image *image, const size_t *order,
                              size_t threads)
{
    struct served served;
    struct toucher touchers[MOST_THREADS];
    pthread_t running[MOST_THREADS];

    served_start(&served, way, image, -1, false);
    double start = now_us();

    for (size_t i = 0; i < threads; i++) {
        size_t count = FAULTS / threads;

        touchers[i] = (struct toucher){ served.ram.host, order + i * count, count };
        running[i] = thread_start(touch, &touchers[i], -1);
    }
    for (size_t i = 0; i < threads; i++) {
        thread_join(running[i]);
    }
    double took = now_us() - start;

    served_stop(&served);
    return FAULTS / took * 1e6;
}

/* What the setting gives that suits the machine. */
static void report_best(size_t threads, struct series *rates)
{
    int best = OURS_ONE;
    char name[64];

    for (int way = OURS_ONE; way <= OURS_TWO; way++) {
        best = series_at(&rates[way], 0.5) > series_at(&rates[best], 0.5) ? way : best;
    }
    snprintf(name, sizeof(name), "%zu threads, the best of ours", threads);
    report_row(name, &rates[best], "1/s", "poll", &rates[POLL], goal_at_least(1.1));
}

void bench_throughput(const struct image *image, int rounds)
{
    size_t *order = shuffled(image->length / PAGE, 1);

    report_section("Faults per second, several faulting threads");
    for (size_t threads = 4; threads <= MOST_THREADS; threads *= 2) {
        struct series rates[WAYS] = { 0 };

        for (int round = 0; round < rounds; round++) {
            for (int way = 0; way < WAYS; way++) {
                series_add(&rates[way], faults_a_second(&ways[way], image, order, threads));
            }
        }
        for (int way = OURS_ONE; way <= OURS_TWO; way++) {
            char name[64];

            snprintf(name, sizeof(name), "%zu threads, %s", threads, ways[way].name);
            report_row(name, &rates[way], "1/s", "spin", &rates[SPIN], goal_none);
            report_row(name, &rates[way], "1/s", "spin, reading", &rates[SPIN_READING],
                       way == OURS_SPINNING ? goal_at_least(1) : goal_none);
            report_row(name, &rates[way], "1/s", "poll", &rates[POLL], goal_at_least(1));
        }
        report_best(threads, rates);
        for (int way = 0; way < WAYS; way++) {
            series_free(&rates[way]);
        }
    }
    free(order);
}
