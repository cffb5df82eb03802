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
