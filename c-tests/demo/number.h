/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef NUMBER_H
#define NUMBER_H

#include <stdint.h>

/*
 * The number that `text`, the value of an option, tells. Exits with a message when it is none or out of
 * range.
 */
uint64_t number_or_exit(const char *text, const char *option, uint64_t min, uint64_t max);

#endif
