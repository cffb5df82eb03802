/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Placing pages by the calls that are there for it, with the bytes of the blocks' sources; and threads that do: what was
 * asked for earlier, and anything else of their own accord.
 */
#ifndef PLACING_H
#define PLACING_H

#include "machine.h"

/* The choices for one call about one page: the same whichever thread makes it. */
struct random placing_choices(struct machine *machine, struct memory *memory, size_t page);

/*
 * Places a page, and some behind it, from a temporary page if there is one. Where discards are not tracked it is up to the
 * caller not to place what was discarded; where they are, the library sees to it.
 */
void placing_some(struct machine *machine, struct memory *memory, size_t page, struct random *random, void *temp);

/* The body of such a thread. */
void placing_until(struct machine *machine, unsigned number, atomic_bool *end);

struct placers;
struct placers *placers_start(struct machine *machine);
void placers_stop(struct placers *placers); /* or NULL */

#endif
