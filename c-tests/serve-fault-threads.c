/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Eight threads touch every page of two blocks in random orders, with one, two and four fault threads. Every byte is
 * right, and each page is requested once. With one fault thread, handler calls do not overlap.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "vm.h"

#define TOUCHERS 8
#define PAGES 2048

static MigrationIncomingState *vm;
static atomic_uint running;
static _Atomic pid_t served_by[4]; /* the threads on which the handler has run */

static void note_thread(void)
{
    for (int i = 0; served_by[i] != gettid(); i++) {
        pid_t none = 0;

        CHECK(i < 3 || served_by[i] == 0);
        atomic_compare_exchange_strong(&served_by[i], &none, gettid());
        if (served_by[i] == gettid()) {
            return;
        }
    }
}

static unsigned threads_that_served(void)
{
    unsigned count = 0;

    for (int i = 0; i < 4; i++) {
        count += served_by[i] != 0;
        served_by[i] = 0;
    }
    return count;
}

static int serve(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (++running > 1 && mis->config.fault_threads == 1) {
        FAIL("expected one handler at a time, saw %u", running);
    }
    note_thread();
    int returned = vm_serve_page(mis, rb, offset, fault_address);
    running--;
    return returned;
}

static void *touch_all(void *opaque)
{
    unsigned seed = (uintptr_t)opaque;
    size_t stride = 2 * (seed * 97 % PAGES) + 1; /* odd: comes by every page of a power of two */

    for (size_t i = 0; i < PAGES; i++) {
        CHECK_PAGE(vm->blocks[seed % 2], (i * stride + seed) % PAGES);
        CHECK_PAGE(vm->blocks[1 - seed % 2], (i * stride + seed) % PAGES);
    }
    return NULL;
}

static void check_threads(unsigned fault_threads)
{
    pthread_t threads[TOUCHERS];

    vm = vm_new();
    vm->config.page_handler = serve;
    vm->config.fault_threads = fault_threads;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, PAGES);
    vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    vm_setup(vm);
    CHECK_EQ(vm_stats(vm).fault_threads, fault_threads);
    for (uintptr_t i = 0; i < TOUCHERS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, touch_all, (void *)i), 0);
    }
    for (unsigned i = 0; i < TOUCHERS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_EQ(vm->handled, 2 * PAGES);
    CHECK_EQ(threads_that_served(), fault_threads);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(vm_stats(vm).pages_placed, 2 * PAGES);
    CHECK_EQ(vm_stats(vm).pages_requested, 2 * PAGES);
    CHECK(vm_stats(vm).faults >= 2 * PAGES);
    vm_end(vm);
}

int main(void)
{
    check_threads(1);
    check_threads(2);
    check_threads(4);
    return 0;
}
