/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef NUMBER_H
#define NUMBER_H

#include <stdint.h>

/*
 * The number that `text`, the value of an option, tells. Exits with a message when it is none or out of
 * range.
 */
uint64_t number_or_exit(const char *text, const char *option, uint64_t min, uint64_t max);

/* The size that `text` tells, like 4G or 512M (powers of 1024). Exits with a message when it is none. */
uint64_t size_or_exit(const char *text, const char *option);

#endif
