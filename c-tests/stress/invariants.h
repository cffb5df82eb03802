/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Statistics and blocktime: are the numbers possible?
 */
#ifndef INVARIANTS_H
#define INVARIANTS_H

#include "machine.h"

/* While armed: no counter runs backwards since the statistics in `last`, which are replaced. */
void check_invariants(struct machine *machine, UffdIncomingStats *last);

/* When all is in place, or of a load that is not complete, poisoned; before the cleanup. */
void check_invariants_at_end(struct machine *machine, bool complete);

#endif
