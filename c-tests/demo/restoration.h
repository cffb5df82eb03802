/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One restore of a snapshot into the RAM of a guest that begins to run as soon as it can. There are three ways to
 * do it; each takes threads that wait to be started, and returns when they are done and all RAM is in place.
 */

#ifndef RESTORATION_H
#define RESTORATION_H

#include <stdint.h>

#include "guest.h"
#include "options.h"
#include "vcpus.h"

struct restoration {
    struct MigrationIncomingState guest; /* its RAM: the caller destroys it */
    /* From before the snapshot is opened. */
    uint64_t first_page_ns; /* until the guest had its first page */
    uint64_t local_ns;      /* until it had used its local working set */
    uint64_t scattered_ns;  /* until it had used its scattered working set, too */
    uint64_t all_ns;        /* until all RAM was in place */
    struct UffdIncomingStats stats; /* of a lazy load */
    int error;                      /* an errno value, where this way is not possible here */
};

/* Keeps when the guest had what; the threads have ended. */
void restoration_add_times(struct restoration *restoration, const struct vcpus *vcpus, uint64_t begun_ns);

/* By this library: the guest runs at once, and its RAM follows. */
struct restoration lazy_load(const struct options *options, struct vcpus *vcpus);

/* By reading everything; then the guest runs. */
struct restoration full_read(const struct options *options, struct vcpus *vcpus);

/* By a private mapping of the file; in the end every page is copied, so that the file is no longer needed. */
struct restoration private_mapping(const struct options *options, struct vcpus *vcpus);

#endif
