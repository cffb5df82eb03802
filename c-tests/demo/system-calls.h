/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Confines threads of the library to the system calls that docs/system-calls.txt lists for them, as a VMM may
 * with a seccomp filter: from within the callback thread_start. Any other call is reported, and kills the
 * process.
 */
#ifndef SYSTEM_CALLS_H
#define SYSTEM_CALLS_H

#include "uffd-incoming.h"

/*
 * Reads the list; exits with a message when it makes no sense. With SYSTEM_CALLS_SEEN=FILE in the environment,
 * what each thread calls is watched (which is slow), and every entry that was made use of is appended to FILE when
 * the program ends.
 */
void system_calls_read(const char *list);

/* For UffdIncomingConfig.thread_start: the calling thread is confined from now on. */
void system_calls_confine(MigrationIncomingState *mis, const char *thread);

#endif
