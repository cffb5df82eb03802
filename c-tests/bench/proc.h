/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PROC_H
#define PROC_H

#include <stdint.h>

/* The number after `field` (with its colon) in a file like /proc/self/status. */
uint64_t proc_number(const char *path, const char *field);

#endif
