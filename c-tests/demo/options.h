/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"

struct options {
    const char *snapshot;
    const char *reference; /* what the RAM is compared with: the snapshot itself unless said otherwise */
    enum guest_memory memory;
    uint32_t threads;
    uint32_t fault_threads;
    uint32_t loader_threads;
    uint64_t seed;
    uint64_t working_set; /* bytes that the guest uses */
    bool baselines; /* measure other ways to restore, too */
    bool cold;      /* drop the file from the page cache before each of them */
    bool table;     /* print a line for each RAM block */
    bool direct_io;
    bool map_private;
    const char *record; /* files of a working set, or NULL */
    const char *replay;
    const char *system_calls; /* file that lists those of the library's threads, or NULL */
};

/* Exits after --help, and with a message when the command line makes no sense. */
struct options options_parse(int argc, char **argv);

#endif
