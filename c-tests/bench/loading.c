/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How fast all RAM is loaded when nothing faults.
 */
#include "bench.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "baseline.h"
#include "measure.h"
#include "ours.h"
#include "proc.h"
#include "report.h"

static double gigabytes_a_second(const struct image *image, double start)
{
    return (double)image->length / (now_us() - start) / 1e3;
}

/* How many per cent of the RAM are huge pages. */
static double huge_share(const struct ram *ram)
{
    return (double)proc_memory_kib(ram->host, ram->length, "AnonHugePages:") * 1024 * 100 / (double)ram->length;
}

/* GB/s; and, unless they are NULL, the share of huge pages, and the progress every 5 ms. */
static double load_ours(const struct image *image, bool memfd, struct ours how, struct series *huge, FILE *progress)
{
    level_memory(2 * image->length); /* the page cache of a cold file takes as much again */
    struct ram ram = ram_new(image->length, memfd);
    how.background = true;
    UffdIncomingStats stats = { .size = sizeof(stats) };

    ours_attach(&ram, how);
    double start = now_us();

    ours_load(image, &ram, how);
    while (progress && uffd_incoming_wait(OURS_MIS(&ram), 5) == -ETIMEDOUT) {
        OURS(uffd_incoming_get_stats(OURS_MIS(&ram), &stats));
        fprintf(progress, "%.3f %.4f\n", (now_us() - start) / 1e3, (double)stats.bytes_loaded / 1e9);
    }
    ours_wait(&ram);
    double rate = gigabytes_a_second(image, start);

    if (progress) {
        fprintf(progress, "%.3f %.4f\n", (now_us() - start) / 1e3, (double)image->length / 1e9);
    }
    if (huge) {
        series_add(huge, huge_share(&ram));
    }
    check_all_pages(ram.host, ram.length);
    ours_stop(&ram);
    ram_free(&ram);
    return rate;
}

static double load_baseline(const struct image *image, bool memfd,
                            void (*load)(const struct image *, const struct ram *))
{
    level_memory(2 * image->length);
    struct ram ram = ram_new(image->length, memfd);
    double start = now_us();

    load(image, &ram);
    double rate = gigabytes_a_second(image, start);

    check_all_pages(ram.host, ram.length);
    ram_free(&ram);
    return rate;
}

/* Of the file, into nowhere: what the disk gives. */
static double read_sequentially(const struct image *image)
{
    uint8_t *buffer = aligned_alloc(PAGE, HUGE);

    level_memory(2 * image->length);
    double start = now_us();

    if (!buffer) {
        err(2, "aligned_alloc");
    }
    for (size_t at = 0; at < image->length; at += HUGE) {
        read_exactly(image->fd, buffer, HUGE, image->pages_at + (off_t)at);
    }
    free(buffer);
    return gigabytes_a_second(image, start);
}

static void load_warm(const struct image *image, int rounds)
{
    struct series ours = { 0 }, two = { 0 }, read = { 0 }, loop4k = { 0 }, huge = { 0 };

    for (int round = 0; round < rounds; round++) {
        series_add(&ours, load_ours(image, false, (struct ours){ 0 }, &huge, NULL));
        series_add(&two, load_ours(image, false, (struct ours){ .loader_threads = 2 }, NULL, NULL));
        series_add(&read, load_baseline(image, false, baseline_read));
        series_add(&loop4k, load_baseline(image, false, baseline_loop4k));
    }
    report_row("warm file, private anonymous RAM", &ours, "GB/s", "read", &read, goal_at_least(0.95));
    report_row("warm file, private anonymous RAM", &ours, "GB/s", "loop4k", &loop4k, goal_at_least(4));
    report_row("the same, 2 loader threads", &two, "GB/s", "1 thread", &ours, goal_none);
    report_row("huge pages of the RAM afterwards", &huge, "%", NULL, NULL, goal_at_least(95));
    series_free(&ours);
    series_free(&two);
    series_free(&read);
    series_free(&loop4k);
    series_free(&huge);
}

static void load_memfd(const struct image *image, int rounds)
{
    struct series ours = { 0 }, loop4k = { 0 };

    for (int round = 0; round < rounds; round++) {
        series_add(&ours, load_ours(image, true, (struct ours){ 0 }, NULL, NULL));
        series_add(&loop4k, load_baseline(image, true, baseline_loop4k));
    }
    report_row("warm file, memfd RAM", &ours, "GB/s", "loop4k", &loop4k, goal_at_least(1.4));
    series_free(&ours);
    series_free(&loop4k);
}

static void load_cold(const struct image *image, int rounds)
{
    struct series ours = { 0 }, direct = { 0 }, sequential = { 0 }, read = { 0 };

    for (int round = 0; round < image_cold_rounds(rounds); round++) {
        image_drop_cache(image);
        series_add(&ours, load_ours(image, false, (struct ours){ 0 }, NULL, NULL));
        image_drop_cache(image);
        series_add(&direct, load_ours(image, false, (struct ours){ .direct_io = true }, NULL, NULL));
        image_drop_cache(image);
        series_add(&sequential, read_sequentially(image));
        image_drop_cache(image);
        series_add(&read, load_baseline(image, false, baseline_read));
    }
    report_row("cold file, private anonymous RAM", &ours, "GB/s", "sequential", &sequential,
               goal_at_least(0.95));
    report_row("cold file, private anonymous RAM", &ours, "GB/s", "read", &read, goal_none);
    report_row("the same, direct", &direct, "GB/s", "sequential", &sequential, goal_at_least(0.95));
    series_free(&ours);
    series_free(&direct);
    series_free(&sequential);
    series_free(&read);
}

static void write_progress(const struct image *image)
{
    FILE *file = report_data_file("load-rate.dat");

    fprintf(file, "\"warm file, anonymous RAM\"\n0 0\n");
    load_ours(image, false, (struct ours){ 0 }, NULL, file);
    fprintf(file, "\n\n\"warm file, memfd RAM\"\n0 0\n");
    load_ours(image, true, (struct ours){ 0 }, NULL, file);
    fprintf(file, "\n\n\"cold file, anonymous RAM\"\n0 0\n");
    image_drop_cache(image);
    load_ours(image, false, (struct ours){ 0 }, NULL, file);
    fclose(file);
}

void bench_loading(const struct image *image, int rounds)
{
    report_section("Background load, nothing faults");
    load_warm(image, rounds);
    load_memfd(image, rounds);
    load_cold(image, rounds);
    write_progress(image);
}
