/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Samples of one figure: what interleaved runs gave, or the latencies of many faults.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>

struct series {
    double *values;
    size_t count;
    size_t capacity;
};

void series_add(struct series *series, double value);
void series_append(struct series *series, const struct series *more);
void series_sort(struct series *series);
/* The value that `share` (0 .. 1) of all are not above: 0.5 gives the median. Sorts. */
double series_at(struct series *series, double share);
void series_free(struct series *series);

/* Of CLOCK_MONOTONIC. */
double now_us(void);

#endif
