/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the kernel says of a thread of this process, by its kernel thread id.
 */
#ifndef THREAD_H
#define THREAD_H

#include <sys/types.h>

/* How often it has gone to sleep. */
long thread_sleeps(pid_t tid);

#endif
