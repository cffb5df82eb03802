/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "plan.h"

#include <inttypes.h>
#include <stdio.h>

#include "random.h"

static struct block_plan plan_block(struct random *random, bool may_be_huge)
{
    struct block_plan block = { .aligned = random_percent(random, 60) };

    if (random_percent(random, 15) && may_be_huge) {
        block.kind = random_percent(random, 50) ? RAM_HUGETLB_PRIVATE : RAM_HUGETLB_SHARED;
        block.pages = random_from(random, 2, 6);
    } else {
        const unsigned which = (unsigned)random_below(random, 10);

        block.kind = which < 5 ? RAM_ANON : which < 8 ? RAM_MEMFD_SHARED : RAM_MEMFD_PRIVATE;
        block.pages = (size_t)64 << random_below(random, 6);
        block.pages += random_percent(random, 50) ? random_below(random, 64) : 0;
    }
    if ((block.kind == RAM_MEMFD_SHARED || block.kind == RAM_HUGETLB_SHARED) && random_percent(random, 60)) {
        block.client = random_percent(random, 50) ? CLIENT_HERE : CLIENT_PROCESS;
    }
    return block;
}

static void plan_postcopy(struct random *random, struct machine_plan *plan)
{
    plan->placers = (unsigned)random_from(random, 1, 2);
    plan->latest_us = random_percent(random, 30) ? 2000 : 100;
    plan->percent_at_once = random_percent(random, 30) ? 100 : (unsigned)random_below(random, 100);
    plan->permille_fails = random_percent(random, 50) ? (unsigned)random_below(random, 10) : 0;
    plan->permille_lost = random_percent(random, 50) ? (unsigned)random_below(random, 10) : 0;
    plan->push = random_percent(random, 50);
    plan->by_configuration = random_percent(random, 50);
    if (plan->by_configuration && random_percent(random, 40)) {
        plan->flags |= UFFD_INCOMING_PREEMPT;
    }
}

static bool has_anon(const struct machine_plan *plan)
{
    unsigned i = 0;

    while (i < plan->block_count && plan->blocks[i].kind != RAM_ANON) {
        i++;
    }
    return i < plan->block_count;
}

static void plan_load(struct random *random, struct machine_plan *plan)
{
    plan->flat = random_percent(random, 30);
    plan->background = random_percent(random, 75);
    plan->keep_present = random_percent(random, 30);
    plan->cuts = random_percent(random, 50);
    if (plan->cuts && has_anon(plan) && random_percent(random, 80)) {
        plan->flags |= UFFD_INCOMING_POISON;
        plan->percent_healed = random_percent(random, 50) ? (unsigned)random_below(random, 50) : 0;
    }
    plan->placers = random_percent(random, 40) ? (unsigned)random_from(random, 1, 2) : 0;
    plan->push = true;
    plan->working_set = random_percent(random, 40);
    plan->loader_threads = (unsigned)random_from(random, 1, 3);
    plan->direct_io = random_percent(random, 30);
    /* What is mapped cannot be kept, nor read directly, and a page that is cut off is SIGBUS. */
    plan->map_private = !plan->keep_present && !plan->direct_io && !plan->cuts && random_percent(random, 60);
}

static struct machine_plan plan_machine(struct random *random, bool huge_pages)
{
    static const unsigned fault_threads[] = { 1, 1, 2, 4 };
    struct machine_plan plan = {
        .seed = random_next(random),
        .load = random_percent(random, 50),
        .block_count = (unsigned)random_from(random, 1, MAX_BLOCKS),
        .fault_threads = fault_threads[random_below(random, 4)],
        .spin_us = random_percent(random, 40) ? (unsigned)random_from(random, 1, 100) : 0,
        .blocks_by_callback = random_percent(random, 30),
        .setups = (unsigned)random_from(random, 1, 3),
        .percent_fail = random_percent(random, 30) ? 50 : 0,
        .percent_abort = random_percent(random, 30) ? 50 : 0,
        .percent_emptied = (unsigned)random_from(random, 10, 100),
        .touchers = (unsigned)random_from(random, 2, 4),
        .touches = (unsigned)random_from(random, 100, 2000),
        .percent_freed = random_percent(random, 60) ? (unsigned)random_below(random, 100) : 0,
        .percent_range = (unsigned)random_below(random, 60),
        .removes = random_percent(random, 40),
    };

    plan.flags |= random_percent(random, 20) ? UFFD_INCOMING_USER_MODE_ONLY : 0;
    plan.flags |= random_percent(random, 50) ? UFFD_INCOMING_BLOCKTIME : 0;
    plan.flags |= random_percent(random, 50) ? UFFD_INCOMING_TRACK_DISCARDS : 0;
    bool huge = false;
    for (unsigned i = 0; i < plan.block_count; i++) {
        plan.blocks[i] = plan_block(random, huge_pages && !huge);
        huge = huge || plan.blocks[i].kind >= RAM_HUGETLB_PRIVATE;
    }
    (plan.load ? plan_load : plan_postcopy)(random, &plan);
    return plan;
}

struct round_plan plan_round(uint64_t seed, bool huge_pages)
{
    struct random random = random_of(seed, 0);
    struct round_plan plan = { .machine_count = 1 };

    plan.machine_count += random_percent(&random, 40) + random_percent(&random, 20);
    for (unsigned i = 0; i < plan.machine_count; i++) {
        plan.machines[i] = plan_machine(&random, huge_pages);
        plan.machines[i].number = i;
    }
    return plan;
}

static void print_machine(const struct machine_plan *plan)
{
    static const char *const kinds[RAM_KINDS] = { "anon", "shared", "private", "huge", "huge-shared" };
    static const char *const clients[] = { [CLIENT_NONE] = "", [CLIENT_HERE] = "@", [CLIENT_PROCESS] = "@@" };

    printf(" [%s", plan->load ? plan->flat ? "flat" : "mapped-ram" : "postcopy");
    for (unsigned i = 0; i < plan->block_count; i++) {
        const struct block_plan *block = &plan->blocks[i];

        printf(" %s:%zu%s%s", kinds[block->kind], block->pages, block->aligned ? "" : "+1", clients[block->client]);
    }
    printf("; %u fault threads%s%s%s, %u placers", plan->fault_threads, plan->spin_us ? ", spin" : "",
           plan->flags & UFFD_INCOMING_TRACK_DISCARDS ? ", tracked" : "", plan->percent_freed ? ", frees" : "",
           plan->placers);
    if (plan->load) {
        printf(", %u loaders%s%s%s%s%s%s%s%s", plan->background ? plan->loader_threads : 0,
               plan->keep_present ? ", keep-present" : "", plan->cuts ? ", cuts" : "",
               plan->flags & UFFD_INCOMING_POISON ? plan->percent_healed ? ", poison, heals" : ", poison" : "",
               plan->working_set ? ", working set" : "", plan->direct_io ? ", direct" : "",
               plan->map_private ? ", maps" : "", plan->removes ? ", removes" : "",
               plan->percent_abort ? ", abort" : "");
    } else {
        printf("%s%s%s%s", plan->flags & UFFD_INCOMING_PREEMPT ? ", preempt" : "", plan->push ? ", push" : "",
               plan->removes ? ", removes" : "", plan->percent_abort ? ", abort" : "");
    }
    printf("; %u set-ups, %u touchers]", plan->setups, plan->touchers);
}

void plan_print(const struct round_plan *plan, uint64_t seed)
{
    printf("SEED=%" PRIu64, seed);
    for (unsigned i = 0; i < plan->machine_count; i++) {
        print_machine(&plan->machines[i]);
    }
    printf("\n");
}
