/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "cpus.h"

#include <err.h>
#include <errno.h>
#include <sched.h>

int last_cpu(void)
{
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
        err(2, "sched_getaffinity");
    }
    for (int cpu = CPU_SETSIZE - 1; cpu > 0; cpu--) {
        if (CPU_ISSET(cpu, &allowed)) {
            return cpu;
        }
    }
    return 0;
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
