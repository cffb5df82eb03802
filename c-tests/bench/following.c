/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Where a fault thread cannot be near the faulting thread, or had better not follow it: it must not be worse off than one
 * that stays where the scheduler puts it.
 */
#include "bench.h"

#include <stdlib.h>

#include "cpus.h"
#include "faulting.h"
#include "report.h"

#define FAULTS 1500
#define MOST_THREADS 2
/* A thread that moves does so that often. */
#define FAULTS_A_CPU 50

enum { OURS, POLL, WAYS };

static const struct way ways[WAYS] = {
    [OURS] = { .name = "ours", .is_ours = true },
    [POLL] = { .name = "poll", .baseline = BASELINE_POLL },
};

enum where {
    EVERYBODY_ON_ONE_CPU,
    SERVERS_KEPT_AWAY, /* as by a cpuset: they may not run at the CPU of the faulting thread */
    TWO_PINNED,
    ONE_THAT_MOVES,
    WHERES,
};

static const char *const names[WHERES] = {
    [EVERYBODY_ON_ONE_CPU] = "p50, all threads on one CPU",
    [SERVERS_KEPT_AWAY] = "p50, pinned, its CPU forbidden to us",
    [TWO_PINNED] = "p50, two threads pinned to different CPUs",
    [ONE_THAT_MOVES] = "p50, a pinned thread that moves",
};

struct toucher {
    const struct served *served;
    const size_t *pages;
    bool moves;
    struct series latencies;
};

static void *touch(void *opaque)
{
    struct toucher *toucher = opaque;
    int cpu = last_cpu();

    for (size_t i = 0; i < FAULTS; i++) {
        if (toucher->moves && i % FAULTS_A_CPU == 0) {
            run_on(cpu);
            cpu = other_cpu(cpu);
        }
        double start = now_us();

        check_page(toucher->served->ram.host, toucher->pages[i]);
        series_add(&toucher->latencies, now_us() - start);
    }
    return NULL;
}

static double median_latency(const struct way *way, const struct image *image, const size_t *order,
                             enum where where)
{
    const int cpu = last_cpu();
    const int threads = where == TWO_PINNED ? 2 : 1;
    struct toucher touchers[MOST_THREADS] = { 0 };
    pthread_t running[MOST_THREADS];
    struct series all = { 0 };
    struct served served;

    run_on(where == EVERYBODY_ON_ONE_CPU ? cpu : where == SERVERS_KEPT_AWAY ? other_cpu(cpu) : -1);
    served_start(&served, way, image, -1, false);
    run_on(-1);
    for (int i = 0; i < threads; i++) {
        touchers[i].served = &served;
        touchers[i].pages = order + (size_t)i * FAULTS;
        touchers[i].moves = where == ONE_THAT_MOVES;
        running[i] = thread_start(touch, &touchers[i], i == 0 ? cpu : other_cpu(cpu));
    }
    for (int i = 0; i < threads; i++) {
        thread_join(running[i]);
        series_append(&all, &touchers[i].latencies);
        series_free(&touchers[i].latencies);
    }
    served_stop(&served);
    double median = series_at(&all, 0.5);

    series_free(&all);
    return median;
}

void bench_following(const struct image *image, int rounds)
{
    size_t *order = shuffled(image->length / PAGE, 3);

    report_section("Fault latency where there is nobody to follow");
    for (enum where where = 0; where < WHERES; where++) {
        struct series latencies[WAYS] = { 0 };

        for (int round = 0; round < rounds; round++) {
            for (int way = 0; way < WAYS; way++) {
                series_add(&latencies[way], median_latency(&ways[way], image, order, where));
            }
        }
        report_row(names[where], &latencies[OURS], "us", "poll", &latencies[POLL], goal_at_most(1.05));
        series_free(&latencies[OURS]);
        series_free(&latencies[POLL]);
    }
    free(order);
}
