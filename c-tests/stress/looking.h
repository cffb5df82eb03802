/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Statistics and blocktime: are the numbers possible?
 */
#ifndef LOOKING_H
#define LOOKING_H

#include "machine.h"

/* While armed: nothing runs backwards since the last look, which this one replaces. */
void look(struct machine *machine, UffdIncomingStats *last);

/* When all is in place, or of a load that is not complete, poisoned; before the cleanup. */
void look_at_the_end(struct machine *machine, bool complete);

#endif
