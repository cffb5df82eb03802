/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads that record a working set, or replay one.
 */
#ifndef WORKING_SET_H
#define WORKING_SET_H

#include "vm.h"

/* uffd_incoming_load_snapshot() with these flags and files, which may be NULL; it must succeed. */
void load_working_set(MigrationIncomingState *vm, UffdSnapshot *snapshot, uint64_t flags, const char *record,
                      const char *replay);

/* A restore in which these pages of the first block are touched, in this order, and nothing else is loaded. */
void record_working_set(MigrationIncomingState *vm, UffdSnapshot *snapshot, const char *record,
                        const char *replay, const size_t *pages, size_t count);

/* How many pages of the first block have been received. */
size_t pages_received(MigrationIncomingState *vm);

/* A `log` callback, and how often it has been told a warning in which these words are. */
void log_warnings(MigrationIncomingState *vm, int level, const char *message);
unsigned warnings_with(const char *words);

#endif
