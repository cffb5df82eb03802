/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "resources.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

/*
 * One heap for all threads, and nothing mapped for large allocations: so the heap is one line of maps, ever.
 */
__attribute__((constructor)) static void tame_malloc(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_MAX, 0);
}

static size_t entries(const char *path)
{
    size_t count = 0;
    DIR *directory = opendir(path);

    CHECK(directory != NULL);
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

static bool overlaps_ram(const MigrationIncomingState *vm, uintptr_t start, uintptr_t end)
{
    for (unsigned i = 0; i < vm->block_count; i++) {
        uintptr_t host = (uintptr_t)vm->blocks[i]->host;

        if (start < host + vm->blocks[i]->length && end > host) {
            return true;
        }
    }
    return false;
}

static void count_mappings(const MigrationIncomingState *vm, struct resources *count)
{
    char line[512];
    uintptr_t start, end;
    FILE *file = fopen("/proc/self/maps", "r");

    CHECK(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL) {
        CHECK_EQ(sscanf(line, "%lx-%lx", &start, &end), 2);
        if (overlaps_ram(vm, start, end)) {
            continue;
        }
        count->maps++;
        if (strstr(line, "[heap]") == NULL && strstr(line, "[stack]") == NULL) {
            count->bytes += end - start; /* those two grow on their own */
        }
    }
    fclose(file);
}

struct resources resources_count(const MigrationIncomingState *vm)
{
    struct resources count = { .fds = entries("/proc/self/fd"), .tasks = entries("/proc/self/task") };

    if (!SANITIZED) {
        count_mappings(vm, &count);
    }
    return count;
}

/* A thread that was joined may have been counted before: it is listed for a moment more. So fewer threads are fine. */
static bool is_back(const struct resources *now, const struct resources *before)
{
    return now->fds == before->fds && now->tasks <= before->tasks && now->maps == before->maps && now->bytes == before->bytes;
}

void resources_check(const char *where, const MigrationIncomingState *vm, struct resources before)
{
    struct resources now;

    for (int attempt = 0; attempt < 500; attempt++) {
        now = resources_count(vm);
        if (is_back(&now, &before)) {
            return;
        }
        usleep(1000);
    }
    check_fail(where, "expected %zu fds, %zu threads, %zu mappings (%zu bytes), saw %zu, %zu, %zu (%zu)",
               before.fds, before.tasks, before.maps, before.bytes, now.fds, now.tasks, now.maps, now.bytes);
}
