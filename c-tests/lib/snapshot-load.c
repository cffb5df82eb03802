/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "snapshot-load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "forged-working-set.h"

void load(MigrationIncomingState *vm, UffdSnapshot *snapshot, uint64_t flags)
{
    const bool replays = getenv("UFFD_TEST_REPLAY") != NULL && flags == 0;
    char *set = replays ? forged_working_set(vm, snapshot) : NULL;

    const UffdLoadConfig config = { .size = sizeof(config), .flags = flags, .working_set_replay = set };
    const int result = load_with(vm, snapshot, &config);
    if (result == -EINVAL && strstr(uffd_incoming_error(), "Linux 5.18") != NULL) {
        SKIP("this kernel cannot empty private hugetlbfs memory (Linux 5.18)");
    }
    CHECK_OK(result);
    free(set);
}

int load_directly(MigrationIncomingState *vm, UffdSnapshot *snapshot, const UffdLoadConfig *config)
{
    UffdLoadConfig direct = *config;

    direct.flags |= UFFD_LOAD_DIRECT_IO;
    const int result = uffd_incoming_load_snapshot(vm, snapshot, &direct);
    /* As open() answers for a file in memory before Linux 6.6. */
    if (result == -EINVAL && strstr(uffd_incoming_error(), "O_DIRECT") != NULL) {
        direct.flags &= ~UFFD_LOAD_DIRECT_IO;
        return uffd_incoming_load_snapshot(vm, snapshot, &direct);
    }
    return result;
}

int load_with(MigrationIncomingState *vm, UffdSnapshot *snapshot, const UffdLoadConfig *config)
{
    const bool directly = getenv("UFFD_TEST_DIRECT_IO") != NULL;
    UffdLoadConfig set = *config;

    set.flags |= getenv("UFFD_TEST_WITHOUT_READERS") != NULL ? UFFD_LOAD_NO_READERS : 0;
    if (getenv("UFFD_TEST_MAP_PRIVATE") != NULL && !(set.flags & (UFFD_LOAD_KEEP_PRESENT | UFFD_LOAD_DIRECT_IO))) {
        set.flags |= UFFD_LOAD_MAP_PRIVATE;
    }
    return (directly ? load_directly : uffd_incoming_load_snapshot)(vm, snapshot, &set);
}

UffdSnapshot *open_snapshot(const char *path)
{
    UffdSnapshot *snapshot = uffd_snapshot_open(path);

    if (snapshot == NULL) {
        FAIL("expected %s to be a snapshot, saw %s: %s", path, strerror(errno), uffd_incoming_error());
    }
    return snapshot;
}
