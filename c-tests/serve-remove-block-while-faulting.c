/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Threads fault in a RAM block while it is removed. None of them waits forever, and a handler that can no longer
 * place its page causes no pause.
 */
#include "vm.h"

#define ROUNDS 150
#define PAGES 512
#define THREADS 3

static MigrationIncomingState *vm;
static RAMBlock *ram;
static atomic_uint touched;

/* The handler places pages at once, so that some thread is always about to fault. */
static void *touch_all(void *opaque)
{
    const size_t first = (size_t)(uintptr_t)opaque;

    for (size_t page = first; page < PAGES; page += THREADS) {
        touched++;
        (void)*(volatile uint8_t *)ram_page(ram, page);
    }
    return NULL;
}

static void check_round(unsigned round)
{
    pthread_t threads[THREADS];

    ram = vm_add_ram(vm, RAM_ANON, PAGES);
    vm_setup(vm);
    touched = 0;
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, touch_all, (void *)i), 0);
    }
    AWAIT(touched >= 2 * round % (PAGES / 2));
    CHECK_OK(uffd_incoming_remove_ram_block(vm, ram));
    check_awaits("threads that faulted while their block was removed");
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    check_awaits(NULL);
    CHECK_EQ(vm_stats(vm).paused, 0);
    CHECK_EQ(vm->event_count, 0);
    CHECK_OK(uffd_incoming_cleanup(vm));
    ram_free(ram);
    vm->block_count--;
}

int main(void)
{
    vm = vm_new();
    vm->config.log = vm_no_message;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        check_round(round);
    }
    vm_end(vm);
    return 0;
}
