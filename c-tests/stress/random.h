/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Choices that can be made again: they follow from a seed and a number alone.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* The generator with this number of those that belong to the seed. */
struct random random_of(uint64_t seed, uint64_t number);

uint64_t random_next(struct random *random);

/* 0 .. end - 1 */
uint64_t random_below(struct random *random, uint64_t end);

/* first .. last */
uint64_t random_from(struct random *random, uint64_t first, uint64_t last);

/* True in so many of a hundred, or a thousand, cases. */
bool random_percent(struct random *random, unsigned percent);
bool random_permille(struct random *random, unsigned permille);

/* Sleeps for less than this. */
void random_sleep(struct random *random, unsigned microseconds);

#endif
