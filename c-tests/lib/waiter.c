/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "waiter.h"

#include <ctype.h>
#include <stdio.h>

static void *wait_for_load(void *opaque)
{
    struct waiter *waiter = opaque;

    waiter->tid = gettid();
    waiter->result = uffd_incoming_wait(waiter->vm, -1);
    return NULL;
}

/* The kernel shows a thread that sleeps in a system call by that call's number. */
static bool sleeps_in_system_call(pid_t tid)
{
    char path[64];
    int first;

    if (tid == 0) {
        return false;
    }
    snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)tid);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    first = fgetc(file);
    fclose(file);
    return isdigit(first);
}

void waiter_start(struct waiter *waiter, MigrationIncomingState *vm)
{
    waiter->vm = vm;
    waiter->tid = 0;
    CHECK_EQ(pthread_create(&waiter->thread, NULL, wait_for_load, waiter), 0);
    AWAIT(sleeps_in_system_call(waiter->tid));
}

int waiter_finish(struct waiter *waiter)
{
    CHECK_EQ(pthread_join(waiter->thread, NULL), 0);
    return waiter->result;
}
