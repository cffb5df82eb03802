/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "working-set.h"

#include <stdio.h>
#include <string.h>

#include "scratch.h"
#include "snapshot-load.h"

#define MOST_WARNINGS 128

static char warnings[MOST_WARNINGS][512];
static atomic_uint warning_count;

void load_working_set(MigrationIncomingState *vm, UffdSnapshot *snapshot, uint64_t flags, const char *record,
                      const char *replay)
{
    const UffdLoadConfig config = {
        .size = sizeof(config),
        .flags = flags,
        .working_set_record = record,
        .working_set_replay = replay,
    };

    CHECK_OK(load_with(vm, snapshot, &config));
}

void record_working_set(MigrationIncomingState *vm, UffdSnapshot *snapshot, const char *record,
                        const char *replay, const size_t *pages, size_t count)
{
    load_working_set(vm, snapshot, UFFD_LOAD_NO_BACKGROUND, record, replay);
    for (size_t i = 0; i < count; i++) {
        CHECK_PAGE(vm->blocks[0], pages[i]);
    }
    CHECK_OK(uffd_incoming_abort(vm));
}

/* Big-endian, as all numbers in the file. */
static void put_number(uint8_t *at, size_t size, uint64_t number)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(number >> (8 * (size - 1 - i)));
    }
}

/* FNV-1a. */
static uint64_t checksum(const uint8_t *bytes, size_t length)
{
    uint64_t sum = 0xcbf29ce484222325u;

    for (size_t i = 0; i < length; i++) {
        sum = (sum ^ bytes[i]) * 0x100000001b3u;
    }
    return sum;
}

char *forged_working_set(MigrationIncomingState *vm, UffdSnapshot *snapshot)
{
    enum { HEADER = 24, RUN = 16, MOST_RUNS = 20 };
    const RAMBlock *rb = vm->blocks[0];
    UffdSnapshotBlock block = { .size = sizeof(block) };
    char *path = scratch_path("forged");
    uint8_t file[HEADER + MOST_RUNS * RUN + 8];
    /* Runs do not overlap. */
    const size_t quarter = rb->pages / 4, runs = quarter < MOST_RUNS ? quarter : MOST_RUNS;
    const size_t length = HEADER + runs * RUN + 8;
    size_t index = 0;

    while (uffd_snapshot_block(snapshot, index, &block) == 0 && strcmp(block.idstr, rb->idstr) != 0) {
        index++;
    }
    /* A set of no runs, to know the snapshot's identity. */
    record_working_set(vm, snapshot, path, NULL, NULL, 0);
    FILE *open = fopen(path, "r+");
    if (open == NULL) {
        return path; /* a snapshot that cannot be read any more */
    }
    CHECK_EQ(fread(file, 1, HEADER, open), HEADER);
    put_number(file + 20, 4, runs);
    for (size_t i = 0; i < runs; i++) {
        const size_t page = (runs - 1 - i) * quarter / runs;
        uint8_t *run = file + HEADER + i * RUN;

        put_number(run, 4, index);
        put_number(run + 4, 4, rb->page_size);
        put_number(run + 8, 8, page * rb->page_size);
    }
    put_number(file + length - 8, 8, checksum(file, length - 8));
    rewind(open);
    CHECK_EQ(fwrite(file, 1, length, open), length);
    CHECK_EQ(fclose(open), 0);
    return path;
}

size_t pages_received(MigrationIncomingState *vm)
{
    const RAMBlock *rb = vm->blocks[0];
    size_t count = 0;

    for (size_t page = 0; page < rb->pages; page++) {
        count += (size_t)vm_received(vm, vm->blocks[0], page);
    }
    return count;
}

void log_warnings(MigrationIncomingState *vm, int level, const char *message)
{
    (void)vm;
    if (level == UFFD_INCOMING_LOG_WARNING && warning_count < MOST_WARNINGS) {
        strncpy(warnings[warning_count], message, sizeof(warnings[0]) - 1);
        warning_count++;
    }
}

unsigned warnings_with(const char *words)
{
    unsigned count = 0;

    for (unsigned i = 0; i < warning_count; i++) {
        count += strstr(warnings[i], words) != NULL;
    }
    return count;
}
