/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What has been done in all rounds, for the last line.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdatomic.h>

struct counters {
    atomic_ullong rounds, setups, loads, faults, bytes, placed, discards, freed, resumes, removals, drops, removals_with_client, clients, killed, cuts;
    atomic_ullong sigbus, healed, poisoned_loads, mapped_loads;
};
extern struct counters counters;

#endif
