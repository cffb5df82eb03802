/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "cpus.h"

#include <err.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>

/* The CPUs that this process had when it was first asked. */
static cpu_set_t all_cpus(void)
{
    static bool known;
    static cpu_set_t all;

    if (!known && sched_getaffinity(0, sizeof(all), &all) != 0) {
        err(2, "sched_getaffinity");
    }
    known = true;
    return all;
}

int other_cpu(int than)
{
    cpu_set_t all = all_cpus();

    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
        if (cpu != than && CPU_ISSET(cpu, &all)) {
            return cpu;
        }
    }
    return than;
}

int last_cpu(void)
{
    return other_cpu(-1);
}

void run_on(int cpu)
{
    cpu_set_t cpus = all_cpus();

    if (cpu >= 0) {
        CPU_ZERO(&cpus);
        CPU_SET(cpu, &cpus);
    }
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
        err(2, "sched_setaffinity");
    }
}

pthread_t thread_start(void *(*body)(void *), void *argument, int cpu)
{
    pthread_t thread;
    pthread_attr_t attributes;
    cpu_set_t only;

    errno = pthread_attr_init(&attributes);
    if (errno == 0 && cpu >= 0) {
        CPU_ZERO(&only);
        CPU_SET(cpu, &only);
        errno = pthread_attr_setaffinity_np(&attributes, sizeof(only), &only);
    }
    if (errno == 0) {
        errno = pthread_create(&thread, &attributes, body, argument);
    }
    if (errno != 0) {
        err(2, "pthread_create");
    }
    pthread_attr_destroy(&attributes);
    return thread;
}

void thread_join(pthread_t thread)
{
    errno = pthread_join(thread, NULL);
    if (errno != 0) {
        err(2, "pthread_join");
    }
}
