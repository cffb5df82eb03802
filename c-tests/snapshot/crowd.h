/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A guest whose threads fault by turns.
 */
#ifndef CROWD_H
#define CROWD_H

#include "vm.h"

/*
 * Discards the first `count` pages of a block, which have been received, and has several threads touch them by turns: from then
 * on, and for some faults more, the library takes the guest for a crowd.
 */
void crowd_gather(const RAMBlock *rb, size_t count);

#endif
