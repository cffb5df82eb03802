/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What every thread is doing, for the day when none of them gets on: a round that makes no progress for a
 * minute is ended, and says where it stood.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stddef.h>
#include <stdint.h>

struct RAMBlock;

/* Starts the watchdog, once. */
void watch_start(void);

/* The seed that a finding tells. */
void watch_round(uint64_t seed);

/* Microseconds of this round. */
uint32_t watch_time(void);

/*
 * The name of the calling thread, a string constant, with the machine and the number that it has among its kind; and its
 * end.
 */
void watch_enter(const char *name, unsigned machine, unsigned number);
void watch_leave(void);

/* What the calling thread does now; `what` is a string constant. Threads of the library have no place for it. */
void watch_doing(const char *what, const struct RAMBlock *rb, size_t page);

/* Something got done. */
void watch_progress(void);

#endif
