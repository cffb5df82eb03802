/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "thread.h"

#include <inttypes.h>
#include <stdio.h>

#include "check.h"

static FILE *open_file(pid_t tid, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int)tid, name);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    return file;
}

long thread_sleeps(pid_t tid)
{
    FILE *file = open_file(tid, "status");
    char line[256];
    long sleeps = -1;

    while (sleeps < 0 && fgets(line, sizeof(line), file) != NULL) {
        sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps);
    }
    fclose(file);
    CHECK(sleeps >= 0);
    return sleeps;
}

uint64_t thread_cpu_ns(pid_t tid)
{
    FILE *file = open_file(tid, "schedstat");
    uint64_t ns = 0;

    CHECK_EQ(fscanf(file, "%" SCNu64, &ns), 1);
    fclose(file);
    return ns;
}
