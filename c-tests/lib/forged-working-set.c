/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "forged-working-set.h"

#include <stdio.h>
#include <string.h>

#include "scratch.h"

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
    /* A working set without runs tells the snapshot's identity. */
    const UffdLoadConfig recording = {
        .size = sizeof(recording), .flags = UFFD_LOAD_NO_BACKGROUND, .working_set_record = path
    };
    CHECK_OK(uffd_incoming_load_snapshot(vm, snapshot, &recording));
    CHECK_OK(uffd_incoming_abort(vm));
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
