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
#include "slow-image.h"

#define VCPUS 4

#define SLOW_LENGTH ((size_t)64 << 20)
#define SLOW_READ_US 2000

enum means {
    OURS_ASLEEP,
    OURS_SPINNING,
    OURS_DIRECT,
    OURS_REPLAYING,
    OURS_MAPPED,
    OURS_MAPPED_REPLAYING,
    POLL,
    READ,
    LOOP4K,
    MMAP,
    WAYS
};

static const char *const names[WAYS] = {
    [OURS_ASLEEP] = "ours",
    [OURS_SPINNING] = "ours, spin_us 50",
    [OURS_DIRECT] = "ours, direct",
    [OURS_REPLAYING] = "ours, replayed",
    [OURS_MAPPED] = "ours, mapped",
    [OURS_MAPPED_REPLAYING] = "ours, mapped, replayed",
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
        .map_private = way == OURS_MAPPED || way == OURS_MAPPED_REPLAYING,
        .replay = way == OURS_REPLAYING || way == OURS_MAPPED_REPLAYING ? set : NULL,
    };
    struct baseline poll;
    bool is_ours = way <= OURS_MAPPED_REPLAYING;

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
enum access { PAGES, UNITS, ACCESSES };

static const char *const access_names[ACCESSES] = { "random 4 KiB", "random 2 MiB" };
static const size_t access_units[ACCESSES] = { PAGE, HUGE };

/* A row of the table: the time of one way against that of another, and what it shall be at most; 0: only told. */
struct row {
    enum means way, other;
    double limits[ACCESSES];
};

static const struct row warm_rows[] = {
    { OURS_ASLEEP, POLL, { 1, 1 } },
    { OURS_ASLEEP, READ, { 3, 1 } },
    { OURS_ASLEEP, LOOP4K, { 0, 1 } },
    { OURS_ASLEEP, MMAP, { 2, 1 } },
    { OURS_SPINNING, POLL, { 1, 1 } },
    { OURS_DIRECT, POLL, { 1, 1 } },
    { OURS_REPLAYING, OURS_ASLEEP, { 0.95, 0.95 } },
    { OURS_MAPPED, MMAP, { 1.05, 1.05 } },
    { OURS_MAPPED_REPLAYING, MMAP, { 0, 0 } },
};

static const struct row cold_rows[] = {
    { OURS_ASLEEP, POLL, { 0.85, 0.5 } },
    { OURS_ASLEEP, READ, { 1.1, 0.5 } },
    { OURS_ASLEEP, MMAP, { 0.85, 0.5 } },
    { OURS_DIRECT, POLL, { 0.85, 0.5 } },
    { OURS_DIRECT, READ, { 1.1, 0.5 } },
    { OURS_DIRECT, MMAP, { 0.85, 0.5 } },
    { OURS_REPLAYING, OURS_ASLEEP, { 0.8, 0.8 } },
    { OURS_MAPPED, MMAP, { 1.05, 1.05 } },
    { OURS_MAPPED_REPLAYING, MMAP, { 0.8, 0.8 } },
};

static const struct row slow_rows[] = {
    { OURS_ASLEEP, POLL, { 0.3, 0.3 } },
    { OURS_ASLEEP, READ, { 0, 0 } },
    { OURS_ASLEEP, MMAP, { 0, 0 } },
    { OURS_REPLAYING, OURS_ASLEEP, { 0.8, 0.8 } },
};

/* Where the file is: in the page cache, on the disk, or behind a network. */
enum where { WARM, COLD, SLOW };

#define ROWS(rows) rows, sizeof(rows) / sizeof(*(rows))

static const struct table {
    const char *where;
    const struct row *rows;
    size_t count;
} tables[] = {
    [WARM] = { "", ROWS(warm_rows) },
    [COLD] = { ", cold file", ROWS(cold_rows) },
    [SLOW] = { ", 2 ms a read", ROWS(slow_rows) },
};

static bool is_in(enum means way, const struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].way == way || table->rows[i].other == way) {
            return true;
        }
    }
    return false;
}

static void report(enum access access, const struct table *table, struct series *took)
{
    char name[64];

    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        const double limit = row->limits[access];

        snprintf(name, sizeof(name), "%s%s, %s", access_names[access], table->where, names[row->way]);
        report_row(name, &took[row->way], "ms", names[row->other], &took[row->other],
                   limit > 0 ? goal_at_most(limit) : goal_none);
    }
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

static void resume(const struct image *image, int rounds, enum where where, size_t *const *orders, char *const *sets)
{
    const struct table *table = &tables[where];
    struct series took[ACCESSES][WAYS] = { 0 };

    for (enum access i = 0; i < ACCESSES; i++) {
        for (int round = 0; round < rounds; round++) {
            for (enum means way = 0; way < WAYS; way++) {
                if (!is_in(way, table)) {
                    continue;
                }
                if (where != WARM) {
                    image_drop_cache(image);
                }
                level_memory((where == WARM ? 1 : 2) * image->length); /* the page cache takes as much again */
                series_add(&took[i][way], milliseconds_to_done(way, image, access_units[i], orders[i], sets[i]));
            }
        }
        report(i, table, took[i]);
    }
    if (where == WARM) {
        write_bars(took);
    }
    free_all(took);
}

static void resume_all(const struct image *image, int rounds, enum where first, enum where last)
{
    size_t *orders[ACCESSES];
    char *sets[ACCESSES];

    for (size_t i = 0; i < ACCESSES; i++) {
        orders[i] = shuffled(image->length / access_units[i], 7);
        if (asprintf(&sets[i], "%s.set%zu", image->path, i) < 0) {
            err(2, "asprintf");
        }
        record(image, access_units[i], orders[i], sets[i]);
    }
    for (enum where where = first; where <= last; where++) {
        resume(image, where == WARM ? rounds : image_cold_rounds(rounds), where, orders, sets);
    }
    for (size_t i = 0; i < ACCESSES; i++) {
        free(orders[i]);
        if (unlink(sets[i]) != 0) {
            err(2, "%s", sets[i]);
        }
        free(sets[i]);
    }
}

static void resume_slowly(const char *path, int rounds)
{
    struct slow_image slow;

    if (slow_image_new(&slow, path, SLOW_LENGTH, SLOW_READ_US)) {
        resume_all(&slow.image, rounds, SLOW, SLOW);
        slow_image_free(&slow);
    }
}

void bench_resume(const struct image *image, int rounds)
{
    char *path;

    report_section("From restore to done: 4 threads read 25 % of the RAM");
    resume_all(image, rounds, WARM, COLD);
    if (asprintf(&path, "%s.behind", image->path) < 0) {
        err(2, "asprintf");
    }
    resume_slowly(path, rounds);
    free(path);
}
