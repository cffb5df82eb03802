/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef REPORT_H
#define REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "uffd-incoming.h"
#include "vcpus.h"

struct measurements {
    /* All three begin with the opening of the snapshot. */
    uint64_t first_page_ns; /* until a thread had its first page */
    uint64_t loaded_ns;     /* until all RAM was there */
    uint64_t plain_read_ns; /* until all was read the plain way */
    const struct vcpu *vcpus;
    size_t vcpu_count;
    struct UffdIncomingStats stats;
};

/* Draws the bar anew; on a terminal only. */
void report_progress(uint64_t loaded, uint64_t total);

/* Takes the bar away. */
void report_progress_end(void);

void report_print(const struct measurements *measured);

#endif
