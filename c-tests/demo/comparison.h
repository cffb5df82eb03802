/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Compares restored RAM with what a plain read of a snapshot gives.
 */

#ifndef COMPARISON_H
#define COMPARISON_H

#include <stdbool.h>
#include <stdio.h>

#include "guest.h"
#include "plain-read.h"

/*
 * Compares every byte. Prints one line for each RAM block to `table`: its pages by kind, and whether it is identical.
 * Returns whether all are.
 */
bool compare(const struct plain_snapshot *reference, const struct MigrationIncomingState *guest, FILE *table);

#endif
