/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A thread that does to a machine what management does while its guest runs: pauses, resumes, asks, checks invariants, tries what must
 * be refused, removes blocks and clients, cuts the snapshot short. And it sees to it that all goes on: what paused
 * is resumed, what got lost is asked for again.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "machine.h"

struct control;
struct control *control_start(struct machine *machine);
void control_stop(struct control *control);

#endif
