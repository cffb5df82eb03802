/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "proc.h"

#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t proc_number(const char *path, const char *field)
{
    FILE *file = fopen(path, "r");
    char line[512];

    if (!file) {
        err(2, "%s", path);
    }
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, field, strlen(field)) == 0) {
            fclose(file);
            return strtoull(line + strlen(field), NULL, 10);
        }
    }
    errx(2, "%s: no %s", path, field);
}

uint64_t proc_memory_kib(const void *start, size_t length, const char *field)
{
    static const char path[] = "/proc/self/smaps";
    FILE *file = fopen(path, "r");
    char line[512];
    bool inside = false;
    uint64_t kib = 0;

    if (!file) {
        err(2, "%s", path);
    }
    while (fgets(line, sizeof(line), file)) {
        uintptr_t from;
        uintptr_t to;

        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
            inside = from >= (uintptr_t)start && to <= (uintptr_t)start + length;
        } else if (inside && strncmp(line, field, strlen(field)) == 0) {
            kib += strtoull(line + strlen(field), NULL, 10);
        }
    }
    fclose(file);
    return kib;
}
