/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A snapshot of a machine, in memory: runs of data, of zeros, and of stale bytes that no reader may ever see.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include "machine.h"

/* Writes the snapshot. Its zero pages become zeros in the blocks' sources. */
struct image *image_new(struct machine *machine);
void image_free(struct image *image);

/* uffd_incoming_load_snapshot(). */
int image_load(struct image *image);

/* Truncates the file if it is whole; restores it. */
void image_cut_short(struct image *image, struct random *random);
void image_mend(struct image *image);

/* Truncates it, and restores it a while later. */
void image_cut(struct image *image, struct random *random);

#endif
