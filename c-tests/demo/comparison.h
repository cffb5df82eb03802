/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Compares restored RAM with what a plain read of a snapshot gives.
 */

#ifndef COMPARISON_H
#define COMPARISON_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"

struct comparison {
    bool identical;
    uint64_t plain_read_ns; /* how long it took to read all of the snapshot the plain way */
};

/* Prints one line for each RAM block: its pages by kind, and whether it is identical. */
struct comparison compare_with(const char *snapshot, const struct MigrationIncomingState *guest);

#endif
