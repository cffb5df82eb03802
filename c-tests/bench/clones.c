/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Many VMs from one snapshot at once, a process each, with one vCPU that reads a quarter of the RAM in regions of 2 MiB,
 * the same in each VM, and writes to a sixteenth of these pages. How long until all are done, and what that takes.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baseline.h"
#include "faulting.h"
#include "ours.h"
#include "proc.h"
#include "report.h"

#define CLONES 8
/* Of the pages that a VM reads, it writes each so many. */
#define WRITES 16

enum means { OURS, OURS_MAPPED, POLL, MMAP, WAYS };

static const char *const names[WAYS] = {
    [OURS] = "ours",
    [OURS_MAPPED] = "ours, mapped",
    [POLL] = "poll",
    [MMAP] = "mmap",
};

/* What the VMs' processes have in common. */
struct meeting {
    pthread_barrier_t start, done, measured;
    double pss[CLONES]; /* of the RAM, in MB: each page divided by how many map it */
};

struct figures {
    struct series ms, cpu_ms, mb_read, pss;
};

static struct meeting *meeting_new(unsigned clones)
{
    struct meeting *meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrierattr_t shared;

    if (meeting == MAP_FAILED || pthread_barrierattr_init(&shared) != 0 ||
        pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_barrier_init(&meeting->start, &shared, clones + 1) != 0 ||
        pthread_barrier_init(&meeting->done, &shared, clones + 1) != 0 ||
        pthread_barrier_init(&meeting->measured, &shared, clones) != 0) {
        errx(2, "no barriers between processes");
    }
    return meeting;
}

static void run_guest(const struct ram *ram, const size_t *order)
{
    for (size_t i = 0; i < ram->length / HUGE / 4; i++) {
        for (size_t page = order[i] * (HUGE / PAGE); page < (order[i] + 1) * (HUGE / PAGE); page++) {
            check_page(ram->host, page);
            if (page % WRITES == 0) {
                ((volatile uint8_t *)ram->host)[page * PAGE + 64] = 1;
            }
        }
    }
}

static void run_clone(enum means way, const struct image *image, const size_t *order, struct meeting *meeting, unsigned number)
{
    struct ram ram = ram_new(image->length, false);
    struct ours how = { .background = false, .map_private = way == OURS_MAPPED };
    bool is_ours = way == OURS || way == OURS_MAPPED;
    struct baseline poll;

    if (is_ours) {
        ours_attach(&ram, how);
    }
    pthread_barrier_wait(&meeting->start);
    if (is_ours) {
        ours_load(image, &ram, how);
    } else if (way == POLL) {
        baseline_start(&poll, BASELINE_POLL, image, &ram, -1, false);
    } else {
        baseline_mmap(image, &ram);
    }
    run_guest(&ram, order);
    pthread_barrier_wait(&meeting->done);
    /* While all have it. */
    meeting->pss[number] = (double)proc_memory_kib(ram.host, ram.length, "Pss:") * 1024 / 1e6;
    pthread_barrier_wait(&meeting->measured);
    if (is_ours) {
        ours_stop(&ram);
    } else if (way == POLL) {
        baseline_stop(&poll);
    }
    exit(0);
}

static void run(enum means way, unsigned clones, const struct image *image, const size_t *order, struct figures *figures)
{
    struct meeting *meeting = meeting_new(clones);
    pid_t processes[CLONES];
    double cpu_ms = 0, mb_read = 0, pss = 0;

    fflush(stdout);
    for (unsigned i = 0; i < clones; i++) {
        processes[i] = fork();
        if (processes[i] < 0) {
            err(2, "fork");
        }
        if (processes[i] == 0) {
            run_clone(way, image, order, meeting, i);
        }
    }
    pthread_barrier_wait(&meeting->start);
    const double start = now_us();
    pthread_barrier_wait(&meeting->done);
    series_add(&figures->ms, (now_us() - start) / 1e3);
    for (unsigned i = 0; i < clones; i++) {
        struct rusage usage;
        int status;

        if (wait4(processes[i], &status, 0, &usage) != processes[i] || status != 0) {
            errx(2, "a clone ended with status %#x", status);
        }
        cpu_ms += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3;
        cpu_ms += (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
        mb_read += (double)usage.ru_inblock * 512 / 1e6;
        pss += meeting->pss[i];
    }
    series_add(&figures->cpu_ms, cpu_ms);
    series_add(&figures->mb_read, mb_read);
    series_add(&figures->pss, pss);
    munmap(meeting, sizeof(*meeting));
}

static void figures_free(struct figures *figures)
{
    series_free(&figures->ms);
    series_free(&figures->cpu_ms);
    series_free(&figures->mb_read);
    series_free(&figures->pss);
}

/* What a cold file costs, and how little of it is read. */
static void report(struct figures all[WAYS], struct figures *alone, const struct image *image)
{
    const double touched = (double)(image->length / HUGE / 4 * HUGE) / 1e6;
    struct series touched_mb = { 0 }, shared_mb = { 0 };
    char name[64];

    /* One VM's share, and what each of the others wrote. */
    series_add(&shared_mb, series_at(&alone->pss, 0.5) + (CLONES - 1) * touched / WRITES);
    series_add(&touched_mb, touched);
    for (enum means way = 0; way < POLL; way++) {
        for (enum means other = POLL; other < WAYS; other++) {
            snprintf(name, sizeof(name), "%d clones, cold file, %s", CLONES, names[way]);
            report_row(name, &all[way].ms, "ms", names[other], &all[other].ms, goal_none);
            snprintf(name, sizeof(name), "CPU of %d clones, %s", CLONES, names[way]);
            report_row(name, &all[way].cpu_ms, "ms", names[other], &all[other].cpu_ms, goal_none);
        }
        snprintf(name, sizeof(name), "read by %d clones, %s", CLONES, names[way]);
        report_row(name, &all[way].mb_read, "MB", names[MMAP], &all[MMAP].mb_read, goal_none);
        report_row(name, &all[way].mb_read, "MB", "touched by one", &touched_mb,
                   way == OURS_MAPPED ? goal_at_most(1.05) : goal_none);
        snprintf(name, sizeof(name), "sum of PSS of %d clones, %s", CLONES, names[way]);
        report_row(name, &all[way].pss, "MB", "one, and what others wrote", &shared_mb,
                   way == OURS_MAPPED ? goal_at_most(1.1) : goal_none);
    }
    series_free(&touched_mb);
    series_free(&shared_mb);
}

void bench_clones(const struct image *image, int rounds)
{
    struct figures all[WAYS] = { 0 }, alone = { 0 };
    size_t *order = shuffled(image->length / HUGE, 11);

    report_section("Many VMs from one snapshot, each reads 25 % of the RAM, the same regions of 2 MiB");
    for (int round = 0; round < image_cold_rounds(rounds); round++) {
        image_drop_cache(image);
        run(OURS_MAPPED, 1, image, order, &alone);
        for (enum means way = 0; way < WAYS; way++) {
            image_drop_cache(image);
            level_memory(2 * image->length);
            run(way, CLONES, image, order, &all[way]);
        }
    }
    report(all, &alone, image);
    for (enum means way = 0; way < WAYS; way++) {
        figures_free(&all[way]);
    }
    figures_free(&alone);
    free(order);
}
