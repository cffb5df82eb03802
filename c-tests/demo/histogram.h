/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Latencies in buckets, the way struct UffdIncomingStats has them: less than 1 us, and then, in bucket i,
 * 2^(i-1) us to less than 2^i us; the last bucket has no upper end.
 */

#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 24

void histogram_add(uint64_t buckets[HISTOGRAM_BUCKETS], uint64_t nanoseconds);

#endif
