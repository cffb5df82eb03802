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

static uint64_t count(const uint64_t buckets[HISTOGRAM_BUCKETS])
{
    uint64_t sum = 0;

    for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        sum += buckets[i];
    }
    return sum;
}

uint64_t histogram_percentile(const uint64_t buckets[HISTOGRAM_BUCKETS], unsigned int percent)
{
    uint64_t wanted = (count(buckets) * percent + 99) / 100;
    uint64_t below = 0;

    for (unsigned int i = 0; wanted > 0; i++) {
        below += buckets[i];
        if (below >= wanted) {
            return 1ULL << i;
        }
    }
    return 0;
}
