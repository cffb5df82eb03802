/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A guest with several threads that fault concurrently, beside a background loader that a test can hold.
 */
#ifndef CONCURRENT_FAULTERS_H
#define CONCURRENT_FAULTERS_H

#include "snapshot-file.h"

/*
 * Gives a new VM one fault thread and a block of `pages` pages of anonymous RAM, aligned to a huge page. Holds its
 * background loader, attaches the VM, and writes a snapshot in which every page of the block is data.
 */
struct snapshot_file *faulters_snapshot(MigrationIncomingState *vm, size_t pages);

/* Places the first `count` pages of a block from its source. */
void place_first_pages(MigrationIncomingState *vm, RAMBlock *rb, size_t count);

/*
 * Discards the first `count` pages of a block, which must have been received, and lets several threads touch them
 * concurrently. For some faults afterwards, the library takes the guest for one with concurrent faulters.
 */
void fault_concurrently(const RAMBlock *rb, size_t count);

/* Several threads read `count` pages concurrently and check all their bytes. `page_of` gives the page of each turn. */
void read_concurrently(const RAMBlock *rb, size_t count, size_t (*page_of)(size_t turn));

/* The configuration of a load whose background loader hold_loader() can hold. */
UffdLoadConfig held_loader_config(uint64_t flags);

/*
 * Keeps the background loader from loading anything until release_loader(). Call it before vm_attach(). The library
 * reads whole units for concurrent faulters only where there is a background loader.
 */
void hold_loader(MigrationIncomingState *vm);
void release_loader(void);

/* Whether `count` pages from `page` on have all been received. */
bool are_received(MigrationIncomingState *vm, RAMBlock *rb, size_t page, size_t count);

#endif
