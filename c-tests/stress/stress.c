/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Uses the library as a VMM does, in every way at once, and compares every byte with a model: stress SECONDS [SEED]...
 * Runs rounds until the time is over, the first ones with these seeds; with 0 seconds, those only. A finding ends it with
 * status 1 and tells its seed. Choices follow from the seed; the timing does not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../demo/number.h"
#include "counters.h"
#include "process.h"
#include "resources.h"
#include "run.h"
#include "scratch.h"
#include "watch.h"

#define TUNABLES "GLIBC_TUNABLES"

struct counters counters;

/*
 * Once more, with the C library told not to keep the stacks of threads that have ended: they would look like something that
 * was left behind.
 */
static void start_again(char **argv)
{
    if (getenv(TUNABLES) == NULL) {
        setenv(TUNABLES, "glibc.pthread.stack_cache_size=0", 1);
        execv("/proc/self/exe", argv);
        FAIL("starting again: %s", strerror(errno));
    }
}

static void *run_machine(void *plan)
{
    machine_run(plan);
    return NULL;
}

static void run_round(uint64_t seed, bool huge_pages)
{
    struct round_plan plan = plan_round(seed, huge_pages);
    pthread_t threads[MAX_MACHINES];

    watch_round(seed);
    plan_print(&plan, seed);
    for (unsigned i = 0; i < plan.machine_count; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, run_machine, &plan.machines[i]), 0);
    }
    for (unsigned i = 0; i < plan.machine_count; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    printf("    %.2f s\n", watch_time() / 1e6);
    counters.rounds++;
}

/* Whatever is loaded and allocated once is so before the first count. */
static void run_counted(uint64_t seed, bool huge_pages)
{
    static const MigrationIncomingState no_ram;
    static bool warm;
    const struct resources before = resources_count(&no_ram);

    run_round(seed, huge_pages);
    if (warm) {
        CHECK_RESOURCES(&no_ram, before);
    }
    warm = true;
}

static double seconds_since(const struct timespec *began)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

static void print_counters(uint64_t first, uint64_t last, double seconds)
{
    printf("%llu rounds (%llu set-ups, %llu loads), %llu faults, %llu bytes checked, %llu pages placed by callers, "
           "%llu discards, %llu of them by MADV_FREE, %llu resumes, %llu blocks removed (%llu dropped, %llu with a client), "
           "%llu clients gone and come, "
           "%llu of them killed, %llu cuts, %llu times SIGBUS, %llu of them healed, %llu loads ended poisoned, %llu mapped RAM, "
           "%.1f minutes, seeds %" PRIu64 " to %" PRIu64 "\n",
           counters.rounds, counters.setups, counters.loads, counters.faults, counters.bytes, counters.placed, counters.discards, counters.freed,
           counters.resumes, counters.removals, counters.drops, counters.removals_with_client, counters.clients, counters.killed, counters.cuts, counters.sigbus, counters.healed,
           counters.poisoned_loads, counters.mapped_loads, seconds / 60, first, last);
}

int main(int argc, char **argv)
{
    const bool huge_pages = geteuid() == 0 && read_number("/proc/sys/vm/nr_hugepages") >= 32;
    struct timespec began;
    uint64_t first = 0, seed = 0;

    start_again(argv);
    if (argc == 2 && strcmp(argv[1], PROCESS_ARGUMENT) == 0) {
        process_live();
        return 0;
    }
    if (argc < 2) {
        fprintf(stderr, "usage: %s SECONDS [SEED]...\n", program_invocation_short_name);
        return 2;
    }
    const double seconds = (double)number_or_exit(argv[1], "SECONDS", 0, UINT32_MAX);
    watch_start();
    free(scratch_path(""));
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int i = 2; i < argc; i++) {
        seed = number_or_exit(argv[i], "SEED", 0, UINT64_MAX);
        first = i == 2 ? seed : first;
        run_counted(seed, huge_pages);
    }
    if (argc == 2) {
        first = seed = (uint64_t)time(NULL) * 1000000;
    }
    for (; seconds_since(&began) < seconds; seed++) {
        run_counted(seed, huge_pages);
    }
    print_counters(first, argc == 2 ? seed - 1 : seed, seconds_since(&began));
    return 0;
}
