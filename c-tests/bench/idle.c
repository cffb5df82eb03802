/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the library's threads do once all is loaded: nothing.
 */
#include "bench.h"

#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"
#include "ours.h"
#include "proc.h"
#include "report.h"

#define IDLE_SECONDS 2

struct activity {
    uint64_t wake_ups;
    uint64_t ticks; /* of CPU time */
};

static uint64_t cpu_ticks(const char *path)
{
    char line[512];
    unsigned long user;
    unsigned long system;
    FILE *file = fopen(path, "r");

    /* The fields after the name, which may hold anything but ends in the last parenthesis. */
    if (!file || !fgets(line, sizeof(line), file) || !strrchr(line, ')') ||
        sscanf(strrchr(line, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2) {
        errx(2, "%s: cannot read", path);
    }
    fclose(file);
    return user + system;
}

/* Of all threads but this one, which is the only other there is. */
static struct activity count_activity(void)
{
    struct activity all = { 0 };
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;

    if (!tasks) {
        err(2, "/proc/self/task");
    }
    while ((task = readdir(tasks))) {
        char path[300];

        if (task->d_name[0] == '.' || atoi(task->d_name) == getpid()) {
            continue;
        }
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
        all.wake_ups += proc_number(path, "voluntary_ctxt_switches:");
        snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task->d_name);
        all.ticks += cpu_ticks(path);
    }
    closedir(tasks);
    return all;
}

void bench_idle(const struct image *image)
{
    struct ram ram = ram_new(image->length, false);
    struct ours how = { .background = true, .spin_us = 50 };
    struct series wake_ups = { 0 }, cpu = { 0 };

    ours_attach(&ram, how);
    ours_load(image, &ram, how);
    ours_wait(&ram);
    usleep(100000); /* the threads go to sleep */
    struct activity before = count_activity();

    sleep(IDLE_SECONDS);
    struct activity after = count_activity();

    series_add(&wake_ups, (double)(after.wake_ups - before.wake_ups));
    series_add(&cpu, (double)(after.ticks - before.ticks) * 1e3 / (double)sysconf(_SC_CLK_TCK));
    report_section("Idle for 2 s after the load, spin_us 50");
    report_row("wake-ups of the library's threads", &wake_ups, "", NULL, NULL, goal_at_most(0));
    report_row("CPU time of the library's threads", &cpu, "ms", NULL, NULL, goal_at_most(0));
    series_free(&wake_ups);
    series_free(&cpu);
    ours_stop(&ram);
    ram_free(&ram);
}
