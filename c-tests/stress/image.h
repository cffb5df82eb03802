/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A snapshot of a machine, in memory: runs of data, of zeros, and of stale bytes that nobody may ever see.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include "machine.h"

/* Writes it. What is zeros in it becomes zeros in the blocks' sources. */
struct image *image_new(struct machine *machine);
void image_free(struct image *image);

/* uffd_incoming_load_snapshot(). */
int image_load(struct image *image);

/* Cuts the file short, if it is whole, and makes it whole again. */
void image_cut_short(struct image *image, struct random *random);
void image_mend(struct image *image);

/* Both, with a while in between. */
void image_cut(struct image *image, struct random *random);

#endif
