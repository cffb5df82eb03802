/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a VM's RAM holds, and how much memory it takes.
 */
#ifndef RAM_CONTENTS_H
#define RAM_CONTENTS_H

#include "vm.h"

/* Every byte of every block is as in its source. */
#define CHECK_RAM(vm) check_ram(HERE, (vm))
void check_ram(const char *where, const MigrationIncomingState *vm);

/* Whether the kernel has a page there, without touching it. For private anonymous RAM. */
bool is_present(const RAMBlock *rb, size_t page);

/* The sum of what /proc/self/smaps says of a block in a line that starts like this, in bytes. */
size_t smaps_bytes(const RAMBlock *rb, const char *start);

/* How many bytes of a block are in mappings whose VmFlags in /proc/self/smaps have this one. */
size_t smaps_flags(const RAMBlock *rb, const char *flag);

/* Whether the host has transparent huge pages, for memory that asks for them at least. */
bool has_huge_pages(void);

/* What the old guest left behind: a byte that neither sources nor stale pages hold everywhere. */
void fill_ram(const MigrationIncomingState *vm, uint8_t byte);
#define CHECK_FILLED(vm, byte) check_filled(HERE, (vm), (byte))
void check_filled(const char *where, const MigrationIncomingState *vm, uint8_t byte);

#endif
