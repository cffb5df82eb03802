/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The handler is slow for one page. With one fault thread, other faults wait for it; with two, the other thread
 * serves its faults. Calls that wait for no handler return. The slow page can be placed by another thread, and the
 * late handler gets 0.
 */
#include <errno.h>
#include <semaphore.h>

#include "vm.h"

/* Far enough apart for other threads. */
#define PAGES 4096
#define SLOW 5
#define TOUCHERS 8

static atomic_bool entered, left, is_paused;
static atomic_int late_result;
static sem_t answer;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (offset / rb->page_size != SLOW) {
        return vm_serve_page(vm, rb, offset, fault_address);
    }
    entered = true;
    sem_wait(&answer);
    int placed = uffd_incoming_place_zero_page(vm, rb, rb->host + offset);
    left = true;
    return late_result != 0 ? late_result : placed;
}

static int expect_slow(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *opaque)
{
    (void)vm;
    *(unsigned *)opaque += offset / rb->page_size == SLOW;
    return 0;
}

static void *pause_now(void *vm)
{
    CHECK_OK(uffd_incoming_pause(vm));
    is_paused = true;
    return NULL;
}

static MigrationIncomingState *start(uint32_t fault_threads, struct toucher *toucher)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.fault_threads = fault_threads;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, PAGES);
    entered = left = is_paused = false;
    late_result = 0;
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    touch_read(toucher, ram_page(vm->blocks[0], SLOW));
    AWAIT(entered);
    return vm;
}

static size_t other_page(unsigned toucher)
{
    return toucher * (PAGES / TOUCHERS) + 100;
}

static unsigned others_served(MigrationIncomingState *vm)
{
    unsigned served = 0;

    for (unsigned i = 0; i < TOUCHERS; i++) {
        served += vm_received(vm, vm->blocks[0], other_page(i));
    }
    return served;
}

static void check_others(uint32_t fault_threads)
{
    struct toucher slow, others[TOUCHERS];
    MigrationIncomingState *vm = start(fault_threads, &slow);
    RAMBlock *ram = vm->blocks[0];

    for (unsigned i = 0; i < TOUCHERS; i++) {
        touch_read(&others[i], ram_page(ram, other_page(i)));
    }
    AWAIT(fault_threads == 1 || others_served(vm) > 0);
    CHECK_WAITS(&slow);
    CHECK_WAITS(&others[0]); /* in the stripe of the slow page */
    if (fault_threads == 1) {
        CHECK_EQ(others_served(vm), 0);
    }
    sem_post(&answer);
    CHECK_EQ(toucher_finish(&slow), 0);
    for (unsigned i = 0; i < TOUCHERS; i++) {
        CHECK_EQ(toucher_finish(&others[i]), *ram_source(ram, other_page(i)));
    }
    vm_end(vm);
}

/* What another thread can do. */
static void check_meanwhile(int result)
{
    struct toucher slow;
    MigrationIncomingState *vm = start(1, &slow);
    RAMBlock *ram = vm->blocks[0];
    unsigned requested = 0;
    pthread_t pauser;

    CHECK_EQ(vm_stats(vm).paused, 0);
    CHECK_EQ(vm_received(vm, ram, SLOW), 0);
    CHECK_OK(uffd_incoming_foreach_requested(vm, expect_slow, &requested));
    CHECK_EQ(requested, 1);
    CHECK_OK(uffd_incoming_notify(vm));
    CHECK_ERRNO(uffd_incoming_wait(vm, 1), -EINVAL); /* nothing is loaded */
    CHECK_EQ(pthread_create(&pauser, NULL, pause_now, vm), 0);
    CHECK_WAITS(&slow);
    CHECK(!is_paused);

    vm_place(vm, ram, SLOW);
    CHECK_EQ(toucher_finish(&slow), *ram_source(ram, SLOW));
    CHECK_EQ(vm_received(vm, ram, SLOW), 1);
    CHECK(!left && !is_paused);
    late_result = result;
    sem_post(&answer);
    CHECK_EQ(pthread_join(pauser, NULL), 0);
    CHECK(left);
    AWAIT(vm_stats(vm).source_errors == (result != 0));
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_PAGE(ram, SLOW);
    CHECK_PAGE(ram, SLOW + 1);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(vm_stats(vm).pages_placed, 2);
    CHECK_EQ(vm_stats(vm).zero_pages_placed, 0);
    vm_end(vm);
}

int main(void)
{
    sem_init(&answer, 0, 0);
    check_others(1);
    check_others(2);
    check_meanwhile(0);
    check_meanwhile(-EIO);
    return 0;
}
