/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Threads that each visit every page of a VM's RAM, in a random order of their own, and check all its bytes.
 */
#ifndef WALKERS_H
#define WALKERS_H

#include "vm.h"

struct walkers;

struct walkers *walkers_start(const MigrationIncomingState *vm, unsigned threads);

/* Waits until they have been everywhere. */
void walkers_finish(struct walkers *walkers);

#endif
