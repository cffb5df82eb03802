/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A thread that sits in uffd_incoming_wait().
 */
#ifndef WAITER_H
#define WAITER_H

#include "vm.h"

struct waiter {
    MigrationIncomingState *vm;
    pthread_t thread;
    _Atomic pid_t tid;
    int result;
};

/* Returns once the thread sleeps there. */
void waiter_start(struct waiter *waiter, MigrationIncomingState *vm);

/* Waits until it has returned: with what. */
int waiter_finish(struct waiter *waiter);

#endif
