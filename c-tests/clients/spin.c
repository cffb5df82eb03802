/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A fault thread that looks for its own faults before it sleeps, and always finds one, serves the other
 * process all the same.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "client.h"

/* Together they fault more often than once in the time to spin. */
#define FAULTING 6

static atomic_bool enough;

/* Faults without an end: what was discarded reads as zeros. */
static void *fault(void *page)
{
    while (!enough) {
        CHECK_EQ(*(volatile uint8_t *)page, 0);
        CHECK_EQ(madvise(page, (size_t)sysconf(_SC_PAGESIZE), MADV_DONTNEED), 0);
    }
    return NULL;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    pthread_t faulting[FAULTING];

    vm->config.spin_us = 1000;
    vm_attach(vm);
    RAMBlock *shared = vm_add_ram(vm, RAM_MEMFD_SHARED, 64);
    RAMBlock *other = vm_add_ram(vm, RAM_ANON, FAULTING);
    struct client *client = client_new(vm, shared);

    client_add(client);
    vm_setup(vm);
    CHECK_OK(uffd_incoming_mark_received(vm, other, 0, other->length));
    for (int i = 0; i < FAULTING; i++) {
        CHECK_EQ(pthread_create(&faulting[i], NULL, fault, ram_page(other, i)), 0);
    }
    for (size_t page = 0; page < 64; page++) {
        CLIENT_TOUCH(client, page);
        CLIENT_SEES_PAGE(client, page);
    }
    enough = true;
    for (int i = 0; i < FAULTING; i++) {
        CHECK_EQ(pthread_join(faulting[i], NULL), 0);
    }
    vm_end(vm);
    client_end(client);
    return 0;
}
