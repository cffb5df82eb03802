/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A directory for files that a test makes, gone when it ends well. For any thread.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stddef.h>
#include <stdint.h>

/* The path of a file of this name in it. To be freed. */
char *scratch_path(const char *name);

/* An open file in it, which has no name any more. */
int scratch_file(void);

/* How many files are in it. */
unsigned scratch_files(void);

#endif
