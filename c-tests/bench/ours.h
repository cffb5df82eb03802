/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The library at the same work as the baselines.
 */
#ifndef OURS_H
#define OURS_H

#include "image.h"
#include "uffd-incoming.h"

struct ours {
    uint32_t spin_us;
    uint32_t fault_threads;
    bool background;
    bool direct_io;
    bool map_private;
    uint32_t loader_threads;
    const char *record; /* files of a working set, or NULL */
    const char *replay;
};

/* Any address will do as a handle. */
#define OURS_MIS(ram) ((MigrationIncomingState *)(ram)->host)
#define OURS_BLOCK(ram) ((RAMBlock *)(ram)->host)

/* Exits with what the library says when a call of it fails. */
#define OURS(call) ours_check(#call, (call))
void ours_check(const char *call, int returned);

/* Attached, with the RAM as its one block. */
void ours_attach(const struct ram *ram, struct ours how);
/* Opens the snapshot and loads it, in the background too if asked for. */
void ours_load(const struct image *image, const struct ram *ram, struct ours how);
void ours_wait(const struct ram *ram);
/* Whether or not the load is complete. */
void ours_stop(const struct ram *ram);

#endif
