/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Threads that touch one byte of guest RAM, as a vCPU does. Guest RAM is only ever touched from user mode
 * here: with a userfaultfd for user mode only, a system call on missing RAM fails instead of waiting.
 */
#ifndef TOUCHER_H
#define TOUCHER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "check.h"

struct toucher {
    pthread_t thread;
    volatile uint8_t *address;
    bool writes;
    uint8_t byte;
    _Atomic pid_t tid; /* set before the touch */
    atomic_bool done;
};

void touch_read(struct toucher *toucher, const void *address);
void touch_write(struct toucher *toucher, void *address, uint8_t byte);

/* Returns once the thread sits in the page fault. */
void toucher_await_fault(struct toucher *toucher);

/* The thread sits in the page fault, and stays there. */
#define CHECK_WAITS(toucher) toucher_check_waits(HERE, (toucher))
void toucher_check_waits(const char *where, struct toucher *toucher);

/* Waits until the touch is done; the byte that was read or written. */
uint8_t toucher_finish(struct toucher *toucher);

#endif
