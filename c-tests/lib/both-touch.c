/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "both-touch.h"

#include "walkers.h"

#define THREADS 3

void check_both_touch(enum ram_kind kind, size_t pages, uint32_t fault_threads)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.fault_threads = fault_threads;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, kind, pages);
    struct client *client = client_new(vm, ram);

    vm_setup(vm);
    client_add(client);
    CLIENT_WALK(client, THREADS);
    struct walkers *walkers = walkers_start(vm, THREADS);
    walkers_finish(walkers);
    CLIENT_WALKED(client);
    if (fault_threads == 1) {
        CHECK_EQ(vm->handled, pages);
        CHECK_EQ(vm_stats(vm).pages_requested, pages);
    }
    AWAIT(client->wakes >= pages);
    client_remove(client);
    vm_end(vm);
    client_end(client);
}
