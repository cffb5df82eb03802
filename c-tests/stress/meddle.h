/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A thread that does to a machine what management does while its guest runs: pauses, resumes, asks, looks, tries what must
 * be refused, removes blocks and clients, cuts the snapshot short. And it sees to it that all goes on: what paused
 * is resumed, what got lost is asked for again.
 */
#ifndef MEDDLE_H
#define MEDDLE_H

#include "machine.h"

struct meddler;
struct meddler *meddler_start(struct machine *machine);
void meddler_stop(struct meddler *meddler);

#endif
