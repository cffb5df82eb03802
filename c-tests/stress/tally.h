/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What has been done in all rounds, for the last line.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdatomic.h>

struct tally {
    atomic_ullong rounds, setups, loads, faults, bytes, placed, discards, freed, resumes, removals, drops, removals_with_client, clients, killed, cuts;
    atomic_ullong sigbus, healed, poisoned_loads;
};
extern struct tally tally;

#endif
