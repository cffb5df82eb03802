/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How long a resumed guest takes, from the start of the restore until four vCPUs have read a quarter of the RAM.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <err.h>
#include <stdlib.h>
#include <unistd.h>

#include "cpus.h"
#include "faulting.h"
#include "report.h"

#define VCPUS 4

enum means { OURS_ASLEEP, OURS_SPINNING, OURS_DIRECT, OURS_REPLAYING, POLL, READ, LOOP4K, MMAP, WAYS };

static const char *const names[WAYS] = {
    [OURS_ASLEEP] = "ours",
    [OURS_SPINNING] = "ours, spin_us 50",
    [OURS_DIRECT] = "ours, direct",
    [OURS_REPLAYING] = "ours, replayed",
    [POLL] = "poll",
    [READ] = "read",
    [LOOP4K] = "loop4k",
    [MMAP] = "mmap",
};

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

/* As a guest does that starts from a snapshot, once: which pages it waited for. */
static void record(const struct image *image, size_t unit, const size_t *order, const char *set)
{
    struct ram ram = ram_new(image->length, false);
    struct ours how = { .record = set };

    ours_attach(&ram, how);
    ours_load(image, &ram, how);
    run_vcpus(&ram, unit, order);
    ours_stop(&ram);
    ram_free(&ram);
}

static double milliseconds_to_done(enum means way, const struct image *image, size_t unit, const size_t *order,
                                   const char *set)
{
    struct ram ram = ram_new(image->length, false);
    struct ours how = {
        .background = true,
        .spin_us = way == OURS_SPINNING ? 50 : 0,
        .direct_io = way == OURS_DIRECT,
        .replay = way == OURS_REPLAYING ? set : NULL,
    };
    struct baseline poll;
    bool is_ours = way <= OURS_REPLAYING;

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

/* What the guest reads in random order. */
struct access {
    const char *name;
    size_t unit;
    double limits[WAYS]; /* of our time to each other's, and of the replaying one's to ours; 0: only told */
};

static const struct access accesses[] = {
    { "random 4 KiB", PAGE, { [OURS_REPLAYING] = 1, [POLL] = 1, [READ] = 3, [MMAP] = 2 } },
    { "random 2 MiB", HUGE, { [OURS_REPLAYING] = 1, [POLL] = 1, [READ] = 1, [LOOP4K] = 1, [MMAP] = 1 } },
};

#define ACCESSES (sizeof(accesses) / sizeof(*accesses))

static struct goal goal_for(const struct access *access, enum means way)
{
    return access->limits[way] > 0 ? goal_at_most(access->limits[way]) : goal_none;
}

static void report(const struct access *access, const char *cache, struct series *took)
{
    char name[64];

    for (enum means way = OURS_ASLEEP; way <= OURS_DIRECT; way++) {
        for (enum means other = POLL; other < WAYS; other++) {
            if (took[way].count > 0 && took[other].count > 0) {
                snprintf(name, sizeof(name), "%s%s, %s", access->name, cache, names[way]);
                report_row(name, &took[way], "ms", names[other], &took[other], goal_for(access, other));
            }
        }
    }
    snprintf(name, sizeof(name), "%s%s, %s", access->name, cache, names[OURS_REPLAYING]);
    report_row(name, &took[OURS_REPLAYING], "ms", names[OURS_ASLEEP], &took[OURS_ASLEEP],
               goal_for(access, OURS_REPLAYING));
}

static void write_bars(struct series took[ACCESSES][WAYS])
{
    FILE *file = report_data_file("resume.dat");

    fprintf(file, "way \"random 4 KiB pages\" \"random 2 MiB regions\"\n");
    for (enum means way = 0; way < WAYS; way++) {
        fprintf(file, "\"%s\" %.1f %.1f\n", names[way], series_at(&took[0][way], 0.5),
                series_at(&took[1][way], 0.5));
    }
    fclose(file);
}

static void free_all(struct series took[ACCESSES][WAYS])
{
    for (size_t access = 0; access < ACCESSES; access++) {
        for (enum means way = 0; way < WAYS; way++) {
            series_free(&took[access][way]);
        }
    }
}

static void resume_warm(const struct image *image, int rounds, size_t *const *orders, char *const *sets)
{
    struct series took[ACCESSES][WAYS] = { 0 };

    for (size_t i = 0; i < ACCESSES; i++) {
        for (int round = 0; round < rounds; round++) {
            for (enum means way = 0; way < WAYS; way++) {
                level_memory(image->length);
                series_add(&took[i][way], milliseconds_to_done(way, image, accesses[i].unit, orders[i], sets[i]));
            }
        }
        report(&accesses[i], "", took[i]);
    }
    write_bars(took);
    free_all(took);
}

static void resume_cold(const struct image *image, int rounds, size_t *const *orders, char *const *sets)
{
    static const enum means ways[] = { OURS_ASLEEP, OURS_DIRECT, OURS_REPLAYING, POLL, READ, MMAP };
    struct series took[ACCESSES][WAYS] = { 0 };

    for (size_t i = 0; i < ACCESSES; i++) {
        struct access access = { .name = accesses[i].name, .unit = accesses[i].unit };

        for (int round = 0; round < rounds; round++) {
            for (size_t way = 0; way < sizeof(ways) / sizeof(*ways); way++) {
                image_drop_cache(image);
                level_memory(2 * image->length); /* the page cache takes as much again */
                series_add(&took[i][ways[way]],
                           milliseconds_to_done(ways[way], image, access.unit, orders[i], sets[i]));
            }
        }
        report(&access, ", cold file", took[i]);
    }
    free_all(took);
}

void bench_resume(const struct image *image, int rounds)
{
    size_t *orders[ACCESSES];
    char *sets[ACCESSES];

    for (size_t i = 0; i < ACCESSES; i++) {
        orders[i] = shuffled(image->length / accesses[i].unit, 7);
        if (asprintf(&sets[i], "%s.set%zu", image->path, i) < 0) {
            err(2, "asprintf");
        }
        record(image, accesses[i].unit, orders[i], sets[i]);
    }
    report_section("From restore to done: 4 threads read 25 % of the RAM");
    resume_warm(image, rounds, orders, sets);
    resume_cold(image, rounds, orders, sets);
    for (size_t i = 0; i < ACCESSES; i++) {
        free(orders[i]);
        if (unlink(sets[i]) != 0) {
            err(2, "%s", sets[i]);
        }
        free(sets[i]);
    }
}
