/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CPUS_H
#define CPUS_H

#include <pthread.h>

/* A CPU of this process to pin a faulting thread to: the last one, as interrupts prefer the first. */
int last_cpu(void);

/* Starts a thread; on that CPU only, unless it is -1. Exits on failure, like thread_join(). */
pthread_t thread_start(void *(*body)(void *), void *argument, int cpu);
void thread_join(pthread_t thread);

#endif
