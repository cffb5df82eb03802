/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "arming.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "counters.h"
#include "image.h"
#include "postcopy.h"
#include "queue.h"
#include "watch.h"

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

struct machine *machine_new(const struct machine_plan *plan)
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

void machine_free(struct machine *machine)
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

void machine_prepare(struct machine *machine, struct memory *memory)
{
    const struct machine_plan *plan = machine->plan;
    const bool stays = !plan->load || plan->keep_present;
    const RAMBlock *rb = memory->rb;
    bool *empties = calloc(rb->pages, sizeof(*empties));

    CHECK(empties != NULL);
    memory->leaving = memory->removed = false;
    if (machine->setup > 0 && machine_may_map(machine, memory)) {
        ram_map_anew(memory->rb); /* a mapping of a snapshot cannot be loaded to */
    }
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

int machine_arm(struct machine *machine)
{
    const struct machine_plan *plan = machine->plan;

    if (!plan->blocks_by_callback) {
        give_blocks(machine);
    }
    if (plan->load) {
        counters.loads++;
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

void machine_fail_to_arm(struct machine *machine)
{
    /* Where all RAM is mapped, no userfaultfd is opened. */
    const bool at_the_end = machine->plan->map_private || random_percent(&machine->random, 50);
    UffdIncomingConfig config = machine->vm.config;

    if (at_the_end) {
        config.setup_done = refuse_at_the_end;
    } else {
        config.open_userfaultfd = refuse_userfaultfd;
    }
    CHECK_OK(uffd_incoming_configure(&machine->vm, &config));
    watch_doing("fails to arm", NULL, at_the_end);
    CHECK_ERRNO(machine_arm(machine), at_the_end ? -ECANCELED : -EMFILE);
    CHECK_OK(uffd_incoming_configure(&machine->vm, &machine->vm.config));
}
