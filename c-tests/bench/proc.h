/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PROC_H
#define PROC_H

#include <stddef.h>
#include <stdint.h>

/* The number after `field` (with its colon) in a file like /proc/self/status. */
uint64_t proc_number(const char *path, const char *field);

/* The sum of what /proc/self/smaps says in the lines with `field` (with its colon) of mappings in this memory, in KiB. */
uint64_t proc_memory_kib(const void *start, size_t length, const char *field);

#endif
