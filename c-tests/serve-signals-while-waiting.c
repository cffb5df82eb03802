/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A thread that gets signals while it waits for a page waits once: each signal makes the kernel report its fault anew. */
#include <signal.h>
#include <string.h>

#include "vm.h"

#define PAGES 8
#define SIGNALS 20

static void ignore(int number)
{
    (void)number;
}

int main(void)
{
    const struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
    MigrationIncomingState *vm = vm_with_ram(vm_serve_later, PAGES);
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;

    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    vm_setup(vm);
    touch_read(&toucher, ram_page(ram, 3));
    AWAIT(vm_stats(vm).pages_requested == 1);
    for (unsigned sent = 1; sent <= SIGNALS; sent++) {
        CHECK_EQ(pthread_kill(toucher.thread, SIGUSR1), 0);
        AWAIT(vm_stats(vm).faults > sent);
    }
    CHECK_EQ(vm_stats(vm).threads_waiting, 1);
    vm_place(vm, ram, 3);
    toucher_finish(&toucher);
    AWAIT(vm_stats(vm).threads_waiting == 0);
    const UffdIncomingStats stats = vm_stats(vm);
    CHECK_EQ(waits_that_ended(&stats), 1);
    CHECK_PAGE(ram, 3);
    vm_end(vm);
    return 0;
}
