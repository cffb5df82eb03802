/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Starts the load of a snapshot, with the flags that a test's environment adds.
 */
#ifndef SNAPSHOT_LOAD_H
#define SNAPSHOT_LOAD_H

#include "vm.h"

/*
 * uffd_incoming_load_snapshot() with these flags, which must succeed. With UFFD_TEST_REPLAY=1 in the environment, a load
 * that empties the RAM and has a background loader replays a working set.
 */
void load(MigrationIncomingState *vm, UffdSnapshot *snapshot, uint64_t flags);

/*
 * uffd_incoming_load_snapshot() with UFFD_LOAD_DIRECT_IO, or without it where the snapshot's file system has no direct reads: the
 * test direct-io fails if no file system has them.
 */
int load_directly(MigrationIncomingState *vm, UffdSnapshot *snapshot, const UffdLoadConfig *config);

/*
 * uffd_incoming_load_snapshot(); with UFFD_TEST_DIRECT_IO=1 in the environment, load_directly(), and with
 * UFFD_TEST_WITHOUT_READERS=1 without reader threads.
 */
int load_with(MigrationIncomingState *vm, UffdSnapshot *snapshot, const UffdLoadConfig *config);

/* Opens the snapshot with this path, which must succeed. */
UffdSnapshot *open_snapshot(const char *path);

#endif
