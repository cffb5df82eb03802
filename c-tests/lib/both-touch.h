/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A VM and its client touch the same pages at the same time.
 */
#ifndef BOTH_TOUCH_H
#define BOTH_TOUCH_H

#include "client.h"

/* Both visit every page with several threads, see the right bytes, and each page is asked for once. */
void check_both_touch(enum ram_kind kind, size_t pages, uint32_t fault_threads);

#endif
