/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a round is: it follows from its seed, and from whether the host has huge pages.
 */
#ifndef PLAN_H
#define PLAN_H

#include "ram.h"

#define MAX_MACHINES 3
#define MAX_BLOCKS 4

/* The client that maps a block, with a userfaultfd of its own. */
enum client_kind {
    CLIENT_NONE,
    CLIENT_HERE,    /* threads of this process, which are the touchers */
    CLIENT_PROCESS, /* another process, which reads what it is told to */
};

struct block_plan {
    enum ram_kind kind;
    size_t pages;
    bool aligned;
    enum client_kind client;
};

/* A mis. Percentages are of the cases in which there is a choice. */
struct machine_plan {
    uint64_t seed;
    unsigned number;
    struct block_plan blocks[MAX_BLOCKS];
    unsigned block_count;
    uint64_t flags; /* of its UffdIncomingConfig */
    unsigned fault_threads, spin_us;
    bool blocks_by_callback;
    unsigned setups;       /* one after the other, of the same RAM */
    unsigned percent_fail; /* of set-ups: some attempts before it */
    unsigned percent_abort;
    unsigned percent_emptied; /* of the RAM, before a set-up but the first */
    unsigned touchers, touches;
    unsigned percent_freed; /* of discards: by MADV_FREE, where that can be */
    bool removes;           /* blocks, all but the first one */

    unsigned placers; /* threads that place */
    bool push;        /* also pages that were not requested */
    unsigned percent_range;

    bool load; /* a snapshot; else postcopy */

    unsigned latest_us; /* when the placers place what the handler has not placed itself */
    unsigned percent_at_once;
    unsigned permille_fails, permille_lost; /* of the handler's calls, and of what is placed later */
    bool by_configuration;

    bool flat, background, keep_present, cuts, working_set, direct_io, map_private;
    unsigned percent_healed; /* by who gets SIGBUS */
    unsigned loader_threads;
};

struct round_plan {
    struct machine_plan machines[MAX_MACHINES];
    unsigned machine_count;
};

/* `huge_pages`: there are reserved ones. */
struct round_plan plan_round(uint64_t seed, bool huge_pages);

/* In a line. */
void plan_print(const struct round_plan *plan, uint64_t seed);

#endif
