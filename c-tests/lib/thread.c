/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "thread.h"

#include <stdio.h>

#include "check.h"

long thread_sleeps(pid_t tid)
{
    char path[64], line[256];
    long sleeps = -1;

    snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (sleeps < 0 && fgets(line, sizeof(line), file) != NULL) {
        sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps);
    }
    fclose(file);
    CHECK(sleeps >= 0);
    return sleeps;
}
