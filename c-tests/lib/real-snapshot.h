/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The snapshot that a real QEMU wrote: see UFFD_TEST_SNAPSHOT.
 */
#ifndef REAL_SNAPSHOT_H
#define REAL_SNAPSHOT_H

#include "vm.h"

#define REAL_SNAPSHOT_BLOCKS 6

/* Where its RAM ends in the file: the device state follows. */
#define REAL_SNAPSHOT_RAM_END 0x1601000

const char *real_snapshot_path(void);

/* Adds RAM for each of its blocks; their sources are what a plain read of the file gives. */
void vm_add_real_ram(MigrationIncomingState *vm, enum ram_kind kind);

/* Loads it into RAM of this kind and checks every byte. */
void check_real_load(enum ram_kind kind);

#endif
