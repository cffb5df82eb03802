/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "client.h"
#include "image.h"
#include "looking.h"
#include "meddle.h"
#include "placing.h"
#include "postcopy.h"
#include "queue.h"
#include "tally.h"
#include "touch.h"
#include "watch.h"

struct memory *machine_memory(struct machine *machine, const RAMBlock *rb)
{
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        if (machine->memories[i].rb == rb) {
            return &machine->memories[i];
        }
    }
    return NULL;
}

struct random machine_random(const struct machine *machine, unsigned number)
{
    return random_of(machine->plan->seed + machine->setup, number);
}

static bool machine_poisons(const struct machine *machine)
{
    return machine->plan->flags & UFFD_INCOMING_POISON;
}

bool machine_tracks(const struct machine *machine)
{
    return machine->plan->flags & UFFD_INCOMING_TRACK_DISCARDS;
}

struct memory *machine_pick(struct machine *machine, struct random *random, size_t *page)
{
    struct memory *memory = &machine->memories[random_below(random, machine->plan->block_count)];

    *page = random_below(random, memory->rb->pages);
    return memory;
}

void machine_lose(struct machine *machine, struct memory *memory)
{
    memory->leaving = true;
    for (size_t page = 0; page < memory->rb->pages; page++) {
        if (uffd_incoming_page_received(&machine->vm, memory->rb, page * memory->rb->page_size) != 1) {
            memory_may_be_zeros(memory, page);
        }
    }
}

bool machine_excuses(const struct machine *machine, const struct memory *memory, int error)
{
    return (machine->ending && error == -EINVAL) || (memory->leaving && error == -ENOENT);
}

bool machine_waits_for_huge_pages(const struct memory *memory, int error)
{
    return error == -ENOMEM && memory->kind >= RAM_HUGETLB_PRIVATE;
}

static bool may_wait_for_huge_pages(const struct machine *machine, int error)
{
    unsigned i = 0;

    while (i < machine->plan->block_count && !machine_waits_for_huge_pages(&machine->memories[i], error)) {
        i++;
    }
    return i < machine->plan->block_count;
}

static void record_event(MigrationIncomingState *mis, int what, int error)
{
    struct machine *machine = machine_of(mis);

    machine->complete_events += what == UFFD_INCOMING_EVENT_COMPLETE;
    machine->poisoned_events += what == UFFD_INCOMING_EVENT_POISONED;
    CHECK(error <= 0);
}

/* UFFD_STRESS_LOG=1: prints what the library says. Most of it is about failures that are made here. */
static void log_message(MigrationIncomingState *mis, int level, const char *message)
{
    static int wanted = -1;

    if (wanted < 0) {
        wanted = getenv("UFFD_STRESS_LOG") != NULL;
    }
    if (wanted) {
        fprintf(stderr, "%8u us, machine %u, level %d: %s\n", watch_time(), machine_of(mis)->plan->number, level, message);
    }
}

static void start_thread(MigrationIncomingState *mis, const char *name)
{
    (void)name;
    watch_enter("library thread", machine_of(mis)->plan->number, 0);
}

static void stop_thread(MigrationIncomingState *mis, const char *name)
{
    (void)mis;
    (void)name;
    watch_leave();
}

/* The touchers are the vCPUs. */
static int vcpu_index(MigrationIncomingState *mis, uint32_t thread_id)
{
    struct machine *machine = machine_of(mis);

    for (unsigned i = 0; i < machine->plan->touchers; i++) {
        if (machine->vcpus[i] == (pid_t)thread_id) {
            return (int)i;
        }
    }
    return -1;
}

static void add_block(struct machine *machine, struct memory *memory)
{
    UffdRamBlock block = ram_describe(memory->rb);

    CHECK_OK(uffd_incoming_add_ram_block(&machine->vm, memory->rb, &block));
    memory->added = true;
}

/* Of a load without a background loader all that is present must be marked, else it never ends. */
static void mark_kept(struct machine *machine, struct memory *memory)
{
    const bool all = machine->plan->load && !machine->plan->background;
    RAMBlock *rb = memory->rb;

    for (size_t page = 0; page < rb->pages; page++) {
        if (memory->pages[page].kept && (all || page / 4 % 2 == 0)) {
            CHECK_OK(uffd_incoming_mark_received(&machine->vm, rb, page * rb->page_size, rb->page_size));
        }
    }
}

static void give_blocks(struct machine *machine)
{
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        struct memory *memory = &machine->memories[i];

        if (!memory->added || machine->plan->blocks_by_callback) {
            add_block(machine, memory);
        }
        mark_kept(machine, memory);
    }
}

static int ram_blocks(MigrationIncomingState *mis)
{
    give_blocks(machine_of(mis));
    return 0;
}

static UffdIncomingConfig configuration(const struct machine_plan *plan)
{
    return (UffdIncomingConfig) {
        .size = sizeof(UffdIncomingConfig),
        .flags = plan->flags,
        .page_handler = postcopy_handle,
        .ram_blocks = plan->blocks_by_callback ? ram_blocks : NULL,
        .preempt_run = postcopy_preempt_run,
        .preempt_quit = postcopy_preempt_quit,
        .thread_start = start_thread,
        .thread_stop = stop_thread,
        .vcpu_index = vcpu_index,
        .event = record_event,
        .log = log_message,
        .vcpus = plan->touchers,
        .fault_threads = plan->fault_threads,
        .spin_us = plan->spin_us,
    };
}

static struct machine *machine_new(const struct machine_plan *plan)
{
    struct machine *machine = calloc(1, sizeof(*machine));

    CHECK(machine != NULL);
    machine->plan = plan;
    machine->random = machine_random(machine, RANDOM_DRIVER);
    machine->vm.config = configuration(plan);
    machine->queue = queue_new();
    CHECK_OK(uffd_incoming_attach(&machine->vm, &machine->vm.config));
    for (unsigned i = 0; i < plan->block_count; i++) {
        const struct block_plan *block = &plan->blocks[i];

        RAMBlock *rb = ram_new_aligned(block->kind, block->pages, block->aligned);

        if (block->kind == RAM_ANON && (!plan->load || plan->keep_present)) {
            /* Not for khugepaged, which may make zeros of what is missing as long as the RAM is not armed. */
            madvise(rb->host, rb->length, MADV_NOHUGEPAGE);
        }
        memory_init(&machine->memories[i], rb, block->kind);
        machine->memories[i].poisonable = machine_poisons(machine) && block->kind == RAM_ANON;
        if (!plan->load) {
            postcopy_choose_zeros(machine, &machine->memories[i]);
        }
    }
    machine->image = plan->load ? image_new(machine) : NULL;
    return machine;
}

static void machine_free(struct machine *machine)
{
    CHECK_OK(uffd_incoming_detach(&machine->vm));
    if (machine->image != NULL) {
        image_free(machine->image);
    }
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        RAMBlock *rb = machine->memories[i].rb;

        memory_free(&machine->memories[i]);
        ram_free(rb);
    }
    queue_free(machine->queue);
    free(machine);
}

/* Since the set-up before. */
static bool is_poisoned(const struct memory *memory, size_t page)
{
    return memory->pages[page].lost && !memory->pages[page].in_place;
}

/*
 * What is in the RAM before the set-up, in runs: something that stays (of the first time, a byte everywhere), or nothing,
 * which becomes what the source has. A load that empties the RAM replaces it all; it refuses a private mapping with
 * something in the file behind it. What is poisoned does not stay. Writing can bring a whole huge page: what is to be empty is emptied
 * afterwards.
 */
static void prepare(struct machine *machine, struct memory *memory)
{
    const struct machine_plan *plan = machine->plan;
    const bool stays = !plan->load || plan->keep_present;
    const RAMBlock *rb = memory->rb;
    bool *empties = calloc(rb->pages, sizeof(*empties));

    CHECK(empties != NULL);
    memory->leaving = memory->removed = false;
    for (size_t page = 0; page < rb->pages;) {
        const bool chosen = random_percent(&machine->random, machine->setup > 0 ? plan->percent_emptied : 80);
        const bool all_empty = chosen || (!stays && memory->kind == RAM_MEMFD_PRIVATE);
        size_t run = random_from(&machine->random, 1, 40);

        for (; run > 0 && page < rb->pages; run--, page++) {
            struct page *it = &memory->pages[page];
            const bool empty = all_empty || (stays && is_poisoned(memory, page));

            empties[page] = empty;
            if (!empty && machine->setup == 0) {
                memory_becomes(memory, page, (uint8_t)(page % 255 + 1));
            }
            if (empty || !stays) {
                memory_becomes_source(memory, page);
            }
            it->kept = it->in_place = !empty && stays;
            it->settled = it->lost = false;
            memory_note(memory, page, it->kept ? "is kept" : "is missing", machine->setup);
        }
    }
    for (size_t page = 0; page < rb->pages; page++) {
        if (empties[page]) {
            ram_discard(rb, page, 1);
        }
    }
    free(empties);
}

static int arm(struct machine *machine)
{
    const struct machine_plan *plan = machine->plan;

    if (!plan->blocks_by_callback) {
        give_blocks(machine);
    }
    if (plan->load) {
        tally.loads++;
        if (machine_poisons(machine) && random_percent(&machine->random, 70)) {
            image_cut_short(machine->image, &machine->random);
        }
        return image_load(machine->image);
    }
    return plan->by_configuration ? postcopy_ram_incoming_setup(&machine->vm)
                                  : uffd_setup_incoming(&machine->vm, postcopy_handle, plan->placers);
}

static int refuse_userfaultfd(MigrationIncomingState *mis)
{
    (void)mis;
    return -EMFILE;
}

static int refuse_at_the_end(MigrationIncomingState *mis)
{
    (void)mis;
    return -ECANCELED;
}

/* An attempt that fails first or last, and leaves all as it was. */
static void fail_to_arm(struct machine *machine)
{
    const bool at_the_end = random_percent(&machine->random, 50);
    UffdIncomingConfig config = machine->vm.config;

    if (at_the_end) {
        config.setup_done = refuse_at_the_end;
    } else {
        config.open_userfaultfd = refuse_userfaultfd;
    }
    CHECK_OK(uffd_incoming_configure(&machine->vm, &config));
    watch_doing("fails to arm", NULL, at_the_end);
    CHECK_ERRNO(arm(machine), at_the_end ? -ECANCELED : -EMFILE);
    CHECK_OK(uffd_incoming_configure(&machine->vm, &machine->vm.config));
}

static void start_clients(struct machine *machine)
{
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        if (machine->plan->blocks[i].client != CLIENT_NONE) {
            machine->clients[i] = client_new(machine, &machine->memories[i], machine->plan->blocks[i].client);
        }
    }
}

static void for_each_client(struct machine *machine, void (*what)(struct client *))
{
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        if (machine->clients[i] != NULL) {
            what(machine->clients[i]);
        }
    }
}

static void check_all(struct machine *machine)
{
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        tally.bytes += memory_check_all(&machine->memories[i]);
    }
}

/*
 * Waits until all is loaded, or nothing is left to be had: is it complete? The meddler resumes what its cuts have paused.
 */
static bool await_load(struct machine *machine)
{
    int waited;

    watch_doing("waits for the load", NULL, 0);
    while ((waited = uffd_incoming_wait(&machine->vm, 100)) != 0 && machine->poisoned_events == 0) {
        if ((waited == -EIO && machine->plan->cuts) || may_wait_for_huge_pages(machine, waited)) {
            random_sleep(&machine->random, 1000);
        } else if (waited != -ETIMEDOUT) {
            FAIL("waiting for the load: expected 0, saw %d: %s", waited, uffd_incoming_error());
        }
    }
    return waited == 0;
}

/* The end of a load that has poisoned pages: it is complete as soon as all of them are placed, and not before. */
static bool heal(struct machine *machine)
{
    tally.poisoned_loads++;
    CHECK(machine_poisons(machine));
    CHECK_EQ(machine->complete_events, 0);
    if (random_percent(&machine->random, 50)) {
        return false;
    }
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        struct memory *memory = &machine->memories[i];

        for (size_t page = 0; page < memory->rb->pages; page++) {
            if (vm_received(&machine->vm, memory->rb, page) == 0) {
                CHECK(!memory_is_there(memory, page));
                CHECK_ERRNO(uffd_incoming_wait(&machine->vm, -1), -EIO);
                vm_place(&machine->vm, memory->rb, page);
                CHECK(memory_is_there(memory, page));
            }
        }
    }
    return true;
}

/* Once all is in place and nothing is on its way, discards are exact even if nobody tracks them. */
static void discard_at_the_end(struct machine *machine)
{
    CHECK_OK(uffd_incoming_pause(&machine->vm));
    CHECK_OK(uffd_incoming_resume(&machine->vm));
    for (unsigned i = 0; i < 10; i++) {
        size_t page;
        struct memory *memory = machine_pick(machine, &machine->random, &page);

        CHECK_EQ(touch_discard(machine, memory, page, 1, touch_advice(memory)), 1);
        memory->pages[page].other = OTHER_NONE;
    }
    check_all(machine);
}

static void finish(struct machine *machine, struct touchers *touchers, struct meddler *meddler)
{
    touchers_join(touchers);
    check_all(machine);
    bool complete = !machine->plan->load || await_load(machine);
    meddler_stop(meddler);
    if (machine_poisons(machine)) {
        placers_stop(machine->placers);
        machine->placers = NULL;
        complete = uffd_incoming_wait(&machine->vm, -1) == 0 || heal(machine);
    }
    if (machine->plan->load) {
        CHECK_EQ(uffd_incoming_wait(&machine->vm, -1), complete ? 0 : -EIO);
    }
    if (machine->plan->load && complete) {
        discard_at_the_end(machine);
    }
    look_at_the_end(machine, complete);
    watch_doing("cleans up", NULL, 0);
    machine->ending = true;
    CHECK_OK(uffd_incoming_cleanup(&machine->vm));
    CHECK_OK(uffd_incoming_cleanup(&machine->vm));
}

static void break_off(struct machine *machine, struct touchers *touchers, struct meddler *meddler)
{
    random_sleep(&machine->random, 50000);
    meddler_stop(meddler);
    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        if (!machine->memories[i].removed) {
            machine_lose(machine, &machine->memories[i]);
        }
    }
    watch_doing("aborts", NULL, 0);
    machine->ending = true;
    CHECK_OK(uffd_incoming_abort(&machine->vm));
    for_each_client(machine, client_let_go);
    touchers_join(touchers);
}

static void run_setup(struct machine *machine)
{
    const struct machine_plan *plan = machine->plan;
    const bool aborts = random_percent(&machine->random, plan->percent_abort);

    for (unsigned i = 0; i < plan->block_count; i++) {
        watch_doing("prepares", machine->memories[i].rb, 0);
        prepare(machine, &machine->memories[i]);
    }
    while (random_percent(&machine->random, plan->percent_fail)) {
        fail_to_arm(machine);
    }
    machine->quit = machine->ending = false;
    machine->complete_events = machine->poisoned_events = machine->messages = 0;
    watch_doing("arms", NULL, 0);
    CHECK_OK(arm(machine));
    start_clients(machine);

    machine->placers = placers_start(machine);
    struct meddler *meddler = meddler_start(machine);
    struct touchers *touchers = touchers_start(machine);
    (aborts ? break_off : finish)(machine, touchers, meddler);
    placers_stop(machine->placers);
    queue_clear(machine->queue);
    for_each_client(machine, client_free);
    memset(machine->clients, 0, sizeof(machine->clients));

    check_all(machine);
    for (unsigned i = 0; i < plan->block_count; i++) {
        memory_keep_freed(&machine->memories[i]);
    }
    machine->setup++;
    tally.setups++;
}

void machine_run(const struct machine_plan *plan)
{
    watch_enter("driver", plan->number, 0);
    struct machine *machine = machine_new(plan);

    while (machine->setup < plan->setups) {
        run_setup(machine);
    }
    machine_free(machine);
    watch_leave();
}
