/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Machines come and go; what their RAM holds before a set-up; the set-up itself.
 */
#ifndef ARMING_H
#define ARMING_H

#include "machine.h"

struct machine *machine_new(const struct machine_plan *plan);
void machine_free(struct machine *machine);

/*
 * Gives the RAM its content before a set-up, in runs of pages. A run is kept, or emptied: then it gets what the source has. In the
 * first set-up, a kept page is filled with one byte. A load that empties the RAM replaces kept pages, too; it refuses a private
 * mapping with something in the file behind it. Poisoned pages are not kept. Since writing can bring a whole huge page, the pages
 * that are to be empty are emptied last.
 */
void machine_prepare(struct machine *machine, struct memory *memory);

/* Sets up, by any of the calls that do. */
int machine_arm(struct machine *machine);

/* Tries to set up and fails, at the first step or the last. Everything is as before. */
void machine_fail_to_arm(struct machine *machine);

#endif
