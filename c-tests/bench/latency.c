/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How long one thread waits for a page, alone and while the rest is loaded in the background.
 */
#include "bench.h"

#include <stdlib.h>

#include "cpus.h"
#include "faulting.h"
#include "report.h"

#define FAULTS 1500
/* A touch that took less met a page that was there already. */
#define SHORTEST_FAULT_US 2.0

enum { OURS_ASLEEP, OURS_SPINNING, POLL, SPIN, SPIN_READING, NEAR, NEAR_READING, WAYS };

static const struct way ways[WAYS] = {
    [OURS_ASLEEP] = { .name = "ours", .is_ours = true },
    [OURS_SPINNING] = { .name = "ours, spin_us 50", .is_ours = true, .ours = { .spin_us = 50 } },
    [POLL] = { .name = "poll", .baseline = BASELINE_POLL },
    [SPIN] = { .name = "spin", .baseline = BASELINE_SPIN },
    [SPIN_READING] = { .name = "spin, reading", .baseline = BASELINE_SPIN_READING },
    [NEAR] = { .name = "near", .baseline = BASELINE_NEAR },
    [NEAR_READING] = { .name = "near, reading", .baseline = BASELINE_NEAR_READING },
};

struct toucher {
    const struct served *served;
    bool background; /* until that is done, instead of FAULTS faults */
    uint64_t seed;
    struct series latencies;
};

static void *touch(void *opaque)
{
    struct toucher *toucher = opaque;
    const struct ram *ram = &toucher->served->ram;
    size_t pages = ram->length / PAGE;
    size_t *order = shuffled(pages, toucher->seed);

    for (size_t i = 0; i < pages; i++) {
        if (toucher->background ? served_background_done(toucher->served) : i == FAULTS) {
            break;
        }
        double start = now_us();
        check_page(ram->host, order[i]);
        double took = now_us() - start;

        if (!toucher->background || took >= SHORTEST_FAULT_US) {
            series_add(&toucher->latencies, took);
        }
    }
    free(order);
    return NULL;
}

static struct series run(const struct way *way, const struct image *image, bool pinned, bool background,
                         uint64_t seed)
{
    struct served served;
    struct toucher toucher = { .served = &served, .background = background, .seed = seed };

    served_start(&served, way, image, last_cpu(), background);
    thread_join(thread_start(touch, &toucher, pinned ? last_cpu() : -1));
    served_stop(&served);
    return toucher.latencies;
}

/* Medians and 99th percentiles of each run; all runs' latencies. */
struct measured {
    struct series p50[WAYS];
    struct series p99[WAYS];
    struct series all[WAYS];
};

static void measure(struct measured *measured, const struct image *image, int rounds, bool pinned,
                    bool background)
{
    *measured = (struct measured){ 0 };
    for (int round = 0; round < rounds; round++) {
        for (int way = 0; way < WAYS; way++) {
            /* There is no CPU to be near to; and only one baseline loads in the background. */
            if ((way >= NEAR && !pinned) || (way >= SPIN && background)) {
                continue;
            }
            struct series latencies = run(&ways[way], image, pinned, background, (uint64_t)round + 1);

            series_add(&measured->p50[way], series_at(&latencies, 0.5));
            series_add(&measured->p99[way], series_at(&latencies, 0.99));
            series_append(&measured->all[way], &latencies);
            series_free(&latencies);
        }
    }
}

/* For each way, a hundredth of all faults a line: latency, share. */
static void write_distribution(struct measured *measured, const char *name)
{
    FILE *file = report_data_file(name);

    for (int way = 0; way < WAYS; way++) {
        if (measured->all[way].count == 0) {
            continue;
        }
        fprintf(file, "\"%s\"\n", ways[way].name);
        for (int percent = 0; percent <= 99; percent++) {
            fprintf(file, "%.2f %d\n", series_at(&measured->all[way], percent / 100.0), percent);
        }
        fprintf(file, "\n\n");
    }
    fclose(file);
}

static void measured_free(struct measured *measured)
{
    for (int way = 0; way < WAYS; way++) {
        series_free(&measured->p50[way]);
        series_free(&measured->p99[way]);
        series_free(&measured->all[way]);
    }
}

#define ROW(text, figure, way, other, goal) \
    report_row(text, &measured.figure[way], "us", ways[other].name, &measured.figure[other], goal)

void bench_latency(const struct image *image, int rounds)
{
    struct measured measured;

    report_section("Fault latency, one faulting thread, page in cache");
    measure(&measured, image, rounds, true, false);
    for (int way = OURS_ASLEEP; way <= OURS_SPINNING; way++) {
        const char *name = way == OURS_SPINNING ? "p50, pinned, spin_us 50" : "p50, pinned";

        ROW(name, p50, way, POLL, goal_at_most(0.60));
        ROW(name, p50, way, SPIN, goal_none);
        ROW(name, p50, way, NEAR, goal_none);
        ROW(name, p50, way, NEAR_READING, goal_at_most(1.08));
    }
    write_distribution(&measured, "latency-pinned.dat");
    measured_free(&measured);

    measure(&measured, image, rounds, false, false);
    ROW("p50, not pinned", p50, OURS_ASLEEP, POLL, goal_at_most(1.03));
    ROW("p50, not pinned, spin_us 50", p50, OURS_SPINNING, POLL, goal_none);
    ROW("p50, not pinned, spin_us 50", p50, OURS_SPINNING, SPIN, goal_none);
    ROW("p50, not pinned, spin_us 50", p50, OURS_SPINNING, SPIN_READING, goal_at_most(1.05));
    write_distribution(&measured, "latency-free.dat");
    measured_free(&measured);

    report_section("Fault latency while the rest is loaded in the background");
    for (int pinned = 1; pinned >= 0; pinned--) {
        measure(&measured, image, rounds, pinned, true);
        for (int way = OURS_ASLEEP; way <= OURS_SPINNING; way++) {
            const char *where = pinned ? "pinned" : "not pinned";
            const char *spins = way == OURS_SPINNING ? ", spin_us 50" : "";
            char name[64];

            snprintf(name, sizeof(name), "p50, loading, %s%s", where, spins);
            ROW(name, p50, way, POLL, goal_at_most(1.05));
            snprintf(name, sizeof(name), "p99, loading, %s%s", where, spins);
            ROW(name, p99, way, POLL, goal_at_most(1.25));
        }
        measured_free(&measured);
    }
}
