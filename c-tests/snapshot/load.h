/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads and what they bring.
 */
#ifndef LOAD_H
#define LOAD_H

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

/* uffd_incoming_load_snapshot(); with UFFD_TEST_DIRECT_IO=1 in the environment, load_directly(). */
int load_with(MigrationIncomingState *vm, UffdSnapshot *snapshot, const UffdLoadConfig *config);

/* Opens the snapshot with this path, which must succeed. */
UffdSnapshot *open_snapshot(const char *path);

/* Every byte of every block is as in its source. */
#define CHECK_RAM(vm) check_ram(HERE, (vm))
void check_ram(const char *where, const MigrationIncomingState *vm);

/* Whether the kernel has a page there, without touching it. For private anonymous RAM. */
bool is_present(const RAMBlock *rb, size_t page);

/* The sum of what /proc/self/smaps says of a block in a line that starts like this, in bytes. */
size_t smaps_bytes(const RAMBlock *rb, const char *start);

/* Whether the host has transparent huge pages, for memory that asks for them at least. */
bool has_huge_pages(void);

/* What the old guest left behind: a byte that neither sources nor stale pages hold everywhere. */
void fill_ram(const MigrationIncomingState *vm, uint8_t byte);
#define CHECK_FILLED(vm, byte) check_filled(HERE, (vm), (byte))
void check_filled(const char *where, const MigrationIncomingState *vm, uint8_t byte);

#endif
