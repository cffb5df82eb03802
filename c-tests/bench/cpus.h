/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CPUS_H
#define CPUS_H

#include <pthread.h>

/* A CPU of this process to pin a faulting thread to: the last one, as interrupts prefer the first. */
int last_cpu(void);

/* Another CPU of this process than that one, or that one where there is no other. */
int other_cpu(int than);

/* Where this thread runs, and the threads it starts from now on: on that CPU only, or with -1 on all that it had first. */
void run_on(int cpu);

/* Starts a thread; on that CPU only, unless it is -1. Exits on failure, like thread_join(). */
pthread_t thread_start(void *(*body)(void *), void *argument, int cpu);
void thread_join(pthread_t thread);

#endif
