/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "refuse.h"

/* A setting of the environment; 0 when it is not set. */
static unsigned setting(const char *name)
{
    const char *value = getenv(name);

    return value == NULL ? 0 : (unsigned)strtoul(value, NULL, 10);
}

/* As Linux before 6.8: an ioctl that a userfaultfd does not know is EINVAL. */
static void do_without_move(void)
{
    static bool done;

    if (!done) {
        refuse_ioctl(0xc028aa05 /* UFFDIO_MOVE */, EINVAL);
        done = true;
    }
}

bool vm_moves_units(void)
{
    UffdIncomingHost host = { .size = sizeof(host) };

    CHECK_OK(uffd_incoming_probe(&host));
    return (host.features & (1ULL << 16 /* UFFD_FEATURE_MOVE, Linux 6.8 */)) && !setting("UFFD_TEST_WITHOUT_MOVE");
}

MigrationIncomingState *vm_new(void)
{
    MigrationIncomingState *vm = calloc(1, sizeof(*vm));

    CHECK(vm != NULL);
    vm->config.size = sizeof(vm->config);
    vm->config.page_handler = vm_serve_page;
    vm->config.event = vm_record_event;
    vm->config.flags = setting("UFFD_TEST_USER_MODE_ONLY") ? UFFD_INCOMING_USER_MODE_ONLY : 0;
    vm->config.flags |= setting("UFFD_TEST_TRACK_DISCARDS") ? UFFD_INCOMING_TRACK_DISCARDS : 0;
    vm->config.fault_threads = setting("UFFD_TEST_FAULT_THREADS");
    vm->config.spin_us = setting("UFFD_TEST_SPIN_US");
    if (setting("UFFD_TEST_WITHOUT_MOVE")) {
        do_without_move();
    }
    if (setting("UFFD_TEST_WITHOUT_HUGE_PAGES")) {
        CHECK_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
    }
    pthread_mutex_init(&vm->event_lock, NULL);
    return vm;
}

static void preempt_run(MigrationIncomingState *vm)
{
    sem_wait(&vm->preempt_quit);
}

static void preempt_quit(MigrationIncomingState *vm)
{
    sem_post(&vm->preempt_quit);
}

void vm_want_preempt_thread(MigrationIncomingState *vm)
{
    sem_init(&vm->preempt_quit, 0, 0);
    vm->config.flags |= UFFD_INCOMING_PREEMPT;
    vm->config.preempt_run = preempt_run;
    vm->config.preempt_quit = preempt_quit;
}

unsigned vm_fault_threads(const MigrationIncomingState *vm)
{
    return vm->config.fault_threads > 1 ? vm->config.fault_threads : 1;
}

unsigned vm_threads(const MigrationIncomingState *vm)
{
    return vm_fault_threads(vm) +
           (vm->config.flags & UFFD_INCOMING_TRACK_DISCARDS ? 1 : vm_fault_threads(vm));
}

void vm_attach(MigrationIncomingState *vm)
{
    CHECK_OK(uffd_incoming_attach(vm, &vm->config));
}

void vm_add_block(MigrationIncomingState *vm, RAMBlock *rb)
{
    UffdRamBlock block = ram_describe(rb);

    CHECK(vm->block_count < sizeof(vm->blocks) / sizeof(vm->blocks[0]));
    CHECK_OK(uffd_incoming_add_ram_block(vm, rb, &block));
    vm->blocks[vm->block_count++] = rb;
}

RAMBlock *vm_add_ram(MigrationIncomingState *vm, enum ram_kind kind, size_t pages)
{
    RAMBlock *rb = ram_new(kind, pages);

    vm_add_block(vm, rb);
    return rb;
}

MigrationIncomingState *vm_with_ram(PostcopyPageHandler handler, size_t pages)
{
    MigrationIncomingState *vm = vm_new();

    if (handler != NULL) {
        vm->config.page_handler = handler;
    }
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, pages);
    return vm;
}

void vm_setup(MigrationIncomingState *vm)
{
    CHECK_OK(uffd_setup_incoming(vm, vm->config.page_handler, 1));
}

void vm_end(MigrationIncomingState *vm)
{
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_OK(uffd_incoming_detach(vm));
    for (unsigned i = 0; i < vm->block_count; i++) {
        ram_free(vm->blocks[i]);
    }
    pthread_mutex_destroy(&vm->event_lock);
    free(vm);
}

int vm_serve_page(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    (void)fault_address;
    vm->handled++;
    return uffd_incoming_place_page(vm, rb, rb->host + offset, rb->source + offset);
}

int vm_serve_later(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    (void)rb;
    (void)offset;
    (void)fault_address;
    vm->handled++;
    return 0;
}

void vm_place(MigrationIncomingState *vm, RAMBlock *rb, size_t page)
{
    CHECK_OK(uffd_incoming_place_page(vm, rb, ram_page(rb, page), ram_source(rb, page)));
}

void vm_record_event(MigrationIncomingState *vm, int what, int error)
{
    pthread_mutex_lock(&vm->event_lock);
    unsigned index = vm->event_count;
    CHECK(index < sizeof(vm->events) / sizeof(vm->events[0]));
    vm->events[index] = (struct vm_event) { .what = what, .error = error, .thread = gettid() };
    vm->event_count = index + 1;
    pthread_mutex_unlock(&vm->event_lock);
}

unsigned vm_events(MigrationIncomingState *vm, int what, int error)
{
    unsigned count = 0;

    for (unsigned i = 0; i < vm->event_count; i++) {
        count += vm->events[i].what == what && vm->events[i].error == error;
    }
    return count;
}

void vm_no_message(MigrationIncomingState *vm, int level, const char *message)
{
    (void)vm;
    if (level != UFFD_INCOMING_LOG_INFO) {
        FAIL("expected neither error nor warning, saw one of level %d: %s", level, message);
    }
}

UffdIncomingStats vm_stats(MigrationIncomingState *vm)
{
    UffdIncomingStats stats = { .size = sizeof(stats) };

    CHECK_OK(uffd_incoming_get_stats(vm, &stats));
    return stats;
}

uint64_t waits_that_ended(const UffdIncomingStats *stats)
{
    uint64_t ended = 0;

    for (size_t i = 0; i < sizeof(stats->fault_latency_buckets) / sizeof(*stats->fault_latency_buckets); i++) {
        ended += stats->fault_latency_buckets[i];
    }
    return ended;
}

int vm_received(MigrationIncomingState *vm, RAMBlock *rb, size_t page)
{
    return uffd_incoming_page_received(vm, rb, page * rb->page_size);
}
