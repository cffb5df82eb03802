/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef REPORT_H
#define REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

/* What is measured of each way to restore a snapshot. */
enum measure {
    FIRST_PAGE,
    LOCAL_WORKING_SET,
    SCATTERED_WORKING_SET,
    ALL,
    RANDOM_READ,
    MEASURES,
};

struct figures {
    const char *way;
    int error;             /* an errno value, where this way is not possible here */
    uint64_t ns[MEASURES]; /* nanoseconds */
};

/* Draws the bar of a load anew; on a terminal only. */
void report_progress(uint64_t loaded, uint64_t total);

/* Takes the bar away. */
void report_progress_end(void);

/* Prints the figures of all ways, with bars. */
void report_figures(const struct figures *ways, size_t count, uint64_t working_set_bytes);

/* Prints how long the guest's accesses took in a lazy load, and how many faults the library served. */
void report_latency(const uint64_t latency[HISTOGRAM_BUCKETS], uint64_t faults);

#endif
