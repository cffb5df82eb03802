/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A guest whose threads fault by turns.
 */
#ifndef CROWD_H
#define CROWD_H

#include "snapshot-file.h"

/*
 * Gives a new VM one fault thread, the background loader of crowd_hold_loader(), and a block of `pages` pages of anonymous RAM
 * that starts at a huge page; attaches it, and writes a snapshot of it in which all is data.
 */
struct snapshot_file *crowd_snapshot(MigrationIncomingState *vm, size_t pages);

/* Places the first `count` pages of a block from its source. */
void crowd_place(MigrationIncomingState *vm, RAMBlock *rb, size_t count);

/*
 * Discards the first `count` pages of a block, which have been received, and has several threads touch them by turns: from then
 * on, and for some faults more, the library takes the guest for a crowd.
 */
void crowd_gather(const RAMBlock *rb, size_t count);

/* How to load: with a background loader that crowd_hold_loader() can hold. */
UffdLoadConfig crowd_config(uint64_t flags);

/*
 * The background loader, which there has to be for a crowd to be served as one, does not begin until it is let go. Before
 * vm_attach().
 */
void crowd_hold_loader(MigrationIncomingState *vm);
void crowd_let_loader_go(void);

/* Has several threads read pages by turns, and check all their bytes: as many as `count`, and which, the turn's number tells. */
void crowd_read(const RAMBlock *rb, size_t count, size_t (*page_of)(size_t turn));

/* Whether as many pages as `count` have all been received, from this one on. */
bool crowd_is_whole(MigrationIncomingState *vm, RAMBlock *rb, size_t page, size_t count);

#endif
