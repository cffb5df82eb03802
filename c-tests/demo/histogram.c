/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "histogram.h"

void histogram_add(uint64_t buckets[HISTOGRAM_BUCKETS], uint64_t nanoseconds)
{
    unsigned int bucket = 0;

    for (uint64_t us = nanoseconds / 1000; us > 0 && bucket < HISTOGRAM_BUCKETS - 1; us /= 2) {
        bucket++;
    }
    buckets[bucket]++;
}
