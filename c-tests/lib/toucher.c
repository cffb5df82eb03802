/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "toucher.h"

#include <stdio.h>
#include <string.h>

static void *run(void *opaque)
{
    struct toucher *toucher = opaque;

    toucher->tid = gettid();
    if (toucher->writes) {
        *toucher->address = toucher->byte;
    } else {
        toucher->byte = *toucher->address;
    }
    toucher->done = true;
    return NULL;
}

static void start(struct toucher *toucher)
{
    toucher->tid = 0;
    toucher->done = false;
    CHECK_EQ(pthread_create(&toucher->thread, NULL, run, toucher), 0);
}

void touch_read(struct toucher *toucher, const void *address)
{
    toucher->address = (volatile uint8_t *)address;
    toucher->writes = false;
    start(toucher);
}

void touch_write(struct toucher *toucher, void *address, uint8_t byte)
{
    toucher->address = address;
    toucher->writes = true;
    toucher->byte = byte;
    start(toucher);
}

/*
 * The kernel shows a thread that sleeps outside of any system call, which is in a page fault, as "-1 SP PC".
 */
static bool in_page_fault(const struct toucher *toucher)
{
    char path[64], state[16] = "";

    if (toucher->tid == 0 || toucher->done) {
        return false;
    }
    snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)toucher->tid);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fgets(state, sizeof(state), file) == NULL) {
            state[0] = '\0';
        }
        fclose(file);
    }
    return strncmp(state, "-1 ", 3) == 0;
}

void toucher_await_fault(struct toucher *toucher)
{
    AWAIT(toucher->done || in_page_fault(toucher));
    if (toucher->done) {
        FAIL("expected a thread to wait for the page at %p, but it went on with %#x", toucher->address,
             toucher->byte);
    }
}

void toucher_check_waits(const char *where, struct toucher *toucher)
{
    toucher_await_fault(toucher);
    let_wrong_things_happen();
    if (toucher->done) {
        check_fail(where, "expected a thread to wait for the page at %p, but it went on with %#x",
                   toucher->address, toucher->byte);
    }
}

uint8_t toucher_finish(struct toucher *toucher)
{
    AWAIT(toucher->done);
    CHECK_EQ(pthread_join(toucher->thread, NULL), 0);
    return toucher->byte;
}
