/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef EMPTIED_H
#define EMPTIED_H

#include "ram.h"

/* Loads into RAM of this kind that is full of old bytes: none of them is ever seen. */
void check_emptied(enum ram_kind kind, size_t pages);

#endif
