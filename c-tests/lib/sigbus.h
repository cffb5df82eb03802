/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Touching what may be poisoned.
 */
#ifndef SIGBUS_H
#define SIGBUS_H

#include <pthread.h>
#include <stdbool.h>

#include "ram.h"

/* Reads a byte, as a vCPU does. True when that is SIGBUS, which must say just this address. */
bool is_sigbus(const void *address);

/* The same on a thread of its own. */
struct sigbus_toucher {
    pthread_t thread;
    const void *address;
    bool sigbus;
};
void sigbus_touch(struct sigbus_toucher *toucher, const void *address);
bool sigbus_finish(struct sigbus_toucher *toucher);

/* The first and the last byte of a page are SIGBUS. */
#define CHECK_SIGBUS(rb, page) check_sigbus(HERE, (rb), (page))
void check_sigbus(const char *where, const RAMBlock *rb, size_t page);

/* Skips the test on Linux before 6.6. */
void need_poison(void);

#endif
