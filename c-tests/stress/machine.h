/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A mis of a round, with its RAM and what must be in it.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "memory.h"
#include "plan.h"
#include "random.h"
#include "vm.h"

/* The generators of a machine's threads, by number. */
enum { RANDOM_DRIVER, RANDOM_CONTROL, RANDOM_TOUCHER, RANDOM_PLACER = RANDOM_TOUCHER + 16 };

struct queue;
struct image;

struct machine {
    MigrationIncomingState vm; /* first: it is the mis */
    const struct machine_plan *plan;
    struct memory memories[MAX_BLOCKS];
    unsigned setup; /* how many there were before */
    struct random random; /* the driver's */
    struct queue *queue; /* of pages that are to be placed, or NULL */
    struct image *image; /* the snapshot, or NULL */
    atomic_bool ending;   /* calls may find the mis not armed */
    atomic_bool quit;     /* the preempt thread is to end */
    atomic_uint handlers; /* that run now */
    atomic_uint messages; /* of clients */
    atomic_uint complete_events, poisoned_events;
    pid_t _Atomic vcpus[16]; /* the touchers' threads */
    struct client *clients[MAX_BLOCKS];
    struct placers *placers;
};

static inline struct machine *machine_of(MigrationIncomingState *mis)
{
    return (struct machine *)mis;
}

struct memory *machine_memory(struct machine *machine, const RAMBlock *rb);
struct random machine_random(const struct machine *machine, unsigned number);
bool machine_poisons(const struct machine *machine);
bool machine_tracks(const struct machine *machine);

/* Whether the block's data may be a mapping of the snapshot: a page of it that is discarded holds the source's bytes again. */
bool machine_may_map(const struct machine *machine, const struct memory *memory);

/* A page of any block. */
struct memory *machine_pick(struct machine *machine, struct random *random, size_t *page);

/* Tells the model that missing pages of the block may become zeros from here on. */
void machine_lose(struct machine *machine, struct memory *memory);

/* Whether a call may fail with this error, since the mis is no longer armed or the block was removed. */
bool machine_excuses(const struct machine *machine, const struct memory *memory, int error);

/* Whether a call failed because no huge page was free. Another user may free one, and the page is requested again. */
bool machine_waits_for_huge_pages(const struct memory *memory, int error);

#endif
