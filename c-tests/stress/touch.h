/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Threads that use a machine's RAM as its vCPUs, devices, clients and balloon do: read and compare, write, discard.
 */
#ifndef TOUCH_H
#define TOUCH_H

#include "machine.h"

struct touchers;
struct touchers *touchers_start(struct machine *machine);
void touchers_join(struct touchers *touchers);

/* How a block is discarded, but for MADV_FREE. */
int touch_advice(const struct memory *memory);

/* Discards pages by this madvise, as far as it can be told what they are afterwards. How many. */
size_t touch_discard(struct machine *machine, struct memory *memory, size_t page, size_t pages, int advice);

#endif
