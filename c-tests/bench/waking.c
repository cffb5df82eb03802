/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How long it takes to wake a thread that sleeps on an idle CPU: most of a fault's latency, where the thread that serves it
 * is not on the CPU of the one that faults. Machines differ by a factor of five.
 */
#include "bench.h"

#include <err.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cpus.h"
#include "measure.h"
#include "report.h"

#define SAMPLES 500
/* Long enough for the other CPU to fall asleep. */
#define PAUSE_US 300

struct sleeper {
    int call, answer; /* eventfds */
    double woken;
};

static void *sleep_and_answer(void *opaque)
{
    struct sleeper *sleeper = opaque;
    uint64_t one = 1, value;

    for (int i = 0; i < SAMPLES; i++) {
        if (read(sleeper->call, &value, sizeof(value)) < 0) {
            err(2, "eventfd");
        }
        sleeper->woken = now_us();
        if (write(sleeper->answer, &one, sizeof(one)) < 0) {
            err(2, "eventfd");
        }
    }
    return NULL;
}

void bench_waking(void)
{
    struct sleeper sleeper = { .call = eventfd(0, EFD_CLOEXEC), .answer = eventfd(0, EFD_CLOEXEC) };
    struct series took = { 0 };
    int cpu = last_cpu();
    uint64_t one = 1, value;

    if (sleeper.call < 0 || sleeper.answer < 0) {
        err(2, "eventfd");
    }
    report_section("This machine");
    pthread_t thread = thread_start(sleep_and_answer, &sleeper, cpu);
    run_on(other_cpu(cpu));
    for (int i = 0; i < SAMPLES; i++) {
        usleep(PAUSE_US);
        double start = now_us();

        if (write(sleeper.call, &one, sizeof(one)) < 0 || read(sleeper.answer, &value, sizeof(value)) < 0) {
            err(2, "eventfd");
        }
        series_add(&took, sleeper.woken - start);
    }
    thread_join(thread);
    run_on(-1);
    report_row("waking a thread on an idle CPU", &took, "us", NULL, NULL, goal_none);
    series_free(&took);
    close(sleeper.call);
    close(sleeper.answer);
}
