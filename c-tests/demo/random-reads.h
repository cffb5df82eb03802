/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef RANDOM_READS_H
#define RANDOM_READS_H

#include <stdint.h>

#include "guest.h"

/*
 * Nanoseconds that a read takes at a random place of the guest's largest RAM block, when all of it is there: how fast
 * the guest runs after a restore. On huge pages, the CPU looks up addresses faster.
 */
uint64_t random_read_ns(const struct MigrationIncomingState *guest);

#endif
