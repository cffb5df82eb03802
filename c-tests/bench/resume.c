/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How long a resumed guest takes, from the start of the restore until four vCPUs have read a quarter of the RAM.
 */
#include "bench.h"

#include <stdlib.h>

#include "cpus.h"
#include "faulting.h"
#include "report.h"

#define VCPUS 4

enum { OURS_ASLEEP, OURS_SPINNING, POLL, READ, LOOP4K, MMAP, WAYS };

static const char *const names[WAYS] = { "ours", "ours, spin_us 50", "poll", "read", "loop4k", "mmap" };

struct vcpu {
    const uint8_t *host;
    size_t unit; /* what is read in random order */
    const size_t *units;
    size_t count;
    uint64_t sum; /* so that nothing read can be left out */
};

static void *run_vcpu(void *opaque)
{
    struct vcpu *vcpu = opaque;

    for (size_t i = 0; i < vcpu->count; i++) {
        size_t at = vcpu->units[i] * vcpu->unit;

        for (size_t page = at / PAGE; page < (at + vcpu->unit) / PAGE; page++) {
            const volatile uint64_t *words = (const volatile uint64_t *)(vcpu->host + page * PAGE);

            check_page(vcpu->host, page);
            for (size_t word = 0; word < PAGE / sizeof(*words); word += 8) {
                vcpu->sum += words[word];
            }
        }
    }
    return NULL;
}

static void run_vcpus(const struct ram *ram, size_t unit, const size_t *order)
{
    struct vcpu vcpus[VCPUS];
    pthread_t threads[VCPUS];
    size_t count = ram->length / unit / 4 / VCPUS;

    for (size_t i = 0; i < VCPUS; i++) {
        vcpus[i] = (struct vcpu){ .host = ram->host, .unit = unit, .units = order + i * count, .count = count };
        threads[i] = thread_start(run_vcpu, &vcpus[i], -1);
    }
    for (size_t i = 0; i < VCPUS; i++) {
        thread_join(threads[i]);
    }
}

static double milliseconds_to_done(int way, const struct image *image, size_t unit, const size_t *order)
{
    level_memory(2 * image->length);
    struct ram ram = ram_new(image->length, false);
    struct ours how = { .background = true, .spin_us = way == OURS_SPINNING ? 50 : 0 };
    struct baseline poll;
    bool is_ours = way == OURS_ASLEEP || way == OURS_SPINNING;

    if (is_ours) {
        ours_attach(&ram, how);
    }
    double start = now_us();

    if (is_ours) {
        ours_load(image, &ram, how);
    } else if (way == POLL) {
        baseline_start(&poll, BASELINE_POLL, image, &ram, -1, true);
    } else {
        (way == READ ? baseline_read : way == LOOP4K ? baseline_loop4k : baseline_mmap)(image, &ram);
    }
    run_vcpus(&ram, unit, order);
    double took = (now_us() - start) / 1e3;

    if (is_ours) {
        ours_stop(&ram);
    } else if (way == POLL) {
        baseline_stop(&poll);
    }
    ram_free(&ram);
    return took;
}

void bench_resume(const struct image *image, int rounds)
{
    static const double limits[2][WAYS] = {
        { [POLL] = 1, [READ] = 3, [MMAP] = 2 },
        { [POLL] = 1, [READ] = 1, [LOOP4K] = 1, [MMAP] = 1 },
    };
    struct series took[2][WAYS] = { 0 };

    report_section("From restore to done: 4 threads read 25 % of the RAM");
    for (int large = 0; large < 2; large++) {
        size_t unit = large ? HUGE : PAGE;
        size_t *order = shuffled(image->length / unit, 7);

        for (int round = 0; round < rounds; round++) {
            for (int way = 0; way < WAYS; way++) {
                series_add(&took[large][way], milliseconds_to_done(way, image, unit, order));
            }
        }
        free(order);
        for (int way = OURS_ASLEEP; way <= OURS_SPINNING; way++) {
            for (int other = POLL; other < WAYS; other++) {
                char name[64];
                double limit = limits[large][other];

                snprintf(name, sizeof(name), "random %s, %s", large ? "2 MiB" : "4 KiB", names[way]);
                report_row(name, &took[large][way], "ms", names[other], &took[large][other],
                           limit > 0 ? goal_at_most(limit) : goal_none);
            }
        }
    }

    FILE *file = report_data_file("resume.dat");

    fprintf(file, "way \"random 4 KiB pages\" \"random 2 MiB regions\"\n");
    for (int way = 0; way < WAYS; way++) {
        fprintf(file, "\"%s\" %.1f %.1f\n", names[way], series_at(&took[0][way], 0.5),
                series_at(&took[1][way], 0.5));
        series_free(&took[0][way]);
        series_free(&took[1][way]);
    }
    fclose(file);
}
