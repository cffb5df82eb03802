/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A fault thread that spins for its own faults, and always finds one, serves the client, too: it does not spin while
 * it serves a client.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "client.h"
#include "thread.h"

/* Together they fault more often than once in the time to spin. */
#define FAULTING 6

/* On a busy machine, a fault thread that spins soon gives it up: each set-up begins anew. */
#define SETUPS 6

static atomic_bool enough;

/* Faults without an end: what was discarded reads as zeros. */
static void *fault(void *page)
{
    while (!enough) {
        CHECK_EQ(*(volatile uint8_t *)page, 0);
        CHECK_EQ(madvise(page, HOST_PAGE, MADV_DONTNEED), 0);
    }
    return NULL;
}

static _Atomic pid_t fault_thread;

static void thread_start(MigrationIncomingState *vm, const char *name)
{
    (void)vm;
    if (strcmp(name, "uffd/fault0") == 0) {
        fault_thread = gettid();
    }
}

/* A guest that faults, then goes on for a while. */
#define FAULTS 64
#define GUEST_US 200

static void check_sleeps(void *page)
{
    for (int i = 0; i < 8; i++) {
        const long before = thread_sleeps(fault_thread);

        for (int k = 0; k < FAULTS; k++) {
            CHECK_EQ(*(volatile uint8_t *)page, 0);
            CHECK_EQ(madvise(page, HOST_PAGE, MADV_DONTNEED), 0);
            usleep(GUEST_US);
        }
        const long sleeps = thread_sleeps(fault_thread) - before;

        if (sleeps < FAULTS / 2) {
            FAIL("expected a fault thread that sleeps, saw it sleep %ld times between %d faults", sleeps, FAULTS);
        }
    }
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    pthread_t faulting[FAULTING];

    vm->config.spin_us = 1000;
    vm->config.thread_start = thread_start;
    vm_attach(vm);
    RAMBlock *shared = vm_add_ram(vm, RAM_MEMFD_SHARED, 64);
    RAMBlock *other = vm_add_ram(vm, RAM_ANON, FAULTING);
    struct client *client = client_new(vm, shared);

    client_add(client);
    for (int i = 0; i < SETUPS; i++) {
        CHECK_OK(uffd_incoming_cleanup(vm));
        vm_setup(vm);
        CHECK_OK(uffd_incoming_mark_received(vm, other, 0, other->length));
        check_sleeps(ram_page(other, 0));
    }
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
