/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How much memory RAM takes after the load of a raw dump, in which pages of zeros are data.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "baseline.h"
#include "ours.h"
#include "proc.h"
#include "report.h"

static double resident_mb(const struct ram *ram)
{
    return (double)proc_memory_kib(ram->host, ram->length, "Rss:") * 1024 / 1e6;
}

/* It is measured first: what is looked at afterwards becomes resident. */
static void check(const struct ram *ram, enum zeros zeros)
{
    for (size_t page = 0; page < ram->length / PAGE; page++) {
        if (!is_zero_page(zeros, page)) {
            check_page(ram->host, page);
        } else if (*(const volatile uint64_t *)(ram->host + page * PAGE) != 0) {
            errx(1, "page %zu is not zeros", page);
        }
    }
}

static double after_ours(const struct image *image, bool memfd, enum zeros zeros)
{
    struct ram ram = ram_new(image->length, memfd);
    struct ours how = { .background = true };

    ours_attach(&ram, how);
    ours_load(image, &ram, how);
    ours_wait(&ram);
    double resident = resident_mb(&ram);

    check(&ram, zeros);
    ours_stop(&ram);
    ram_free(&ram);
    return resident;
}

static double after_read(const struct image *image, bool memfd)
{
    struct ram ram = ram_new(image->length, memfd);

    baseline_read(image, &ram);
    double resident = resident_mb(&ram);

    ram_free(&ram);
    return resident;
}

static double data_mb(const struct image *image, enum zeros zeros)
{
    size_t pages = 0;

    for (size_t page = 0; page < image->length / PAGE; page++) {
        pages += !is_zero_page(zeros, page);
    }
    return (double)(pages * PAGE) / 1e6;
}

static void measure(const char *name, const char *path, size_t length, bool memfd, enum zeros zeros, int rounds,
                    struct goal goal)
{
    struct image image = image_new(path, length, zeros);
    struct series ours = { 0 }, read = { 0 }, data = { 0 };

    for (int round = 0; round < rounds; round++) {
        series_add(&ours, after_ours(&image, memfd, zeros));
        series_add(&read, after_read(&image, memfd));
    }
    series_add(&data, data_mb(&image, zeros));
    report_row(name, &ours, "MB", "bytes of data", &data, goal);
    report_row(name, &ours, "MB", "read", &read, goal_none);
    series_free(&ours);
    series_free(&read);
    series_free(&data);
    image_free(&image);
}

void bench_memory(const char *path, size_t length, int rounds)
{
    const size_t eighth = length / 8 / HUGE * HUGE;
    char *dump;

    if (asprintf(&dump, "%s.dump", path) < 0) {
        err(2, "asprintf");
    }
    /* Memory does not vary as times do. */
    rounds = rounds < 2 ? rounds : 2;
    report_section("Memory that the RAM takes after the load of a raw dump");
    measure("every second 2 MiB zeros", dump, eighth, false, ZEROS_UNITS, rounds, goal_at_most(1.05));
    measure("4 of 7 pages zeros", dump, eighth, false, ZEROS_MOST, rounds, goal_at_most(1.05));
    measure("4 of 7 pages zeros, memfd RAM", dump, eighth, true, ZEROS_MOST, rounds, goal_at_most(1.05));
    /* Such a unit is worth a huge page, which holds its zeros, too. */
    measure("1 of 4 pages zeros", dump, eighth, false, ZEROS_FEW, rounds, goal_none);
    free(dump);
}
