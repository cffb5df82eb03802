/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A fault thread that spins before it sleeps serves, pauses and ends like any other. It spins only if spin_us allows
 * it and a CPU is left for the thread that faults.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>

#include "thread.h"
#include "vm.h"

static _Atomic pid_t fault_thread;

static void thread_start(MigrationIncomingState *vm, const char *name)
{
    (void)vm;
    if (strcmp(name, "uffd/fault0") == 0) {
        fault_thread = gettid();
    }
}

static MigrationIncomingState *start(unsigned spin_us, unsigned fault_threads, size_t pages)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.spin_us = spin_us;
    vm->config.fault_threads = fault_threads;
    vm->config.thread_start = thread_start;
    fault_thread = 0;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, pages);
    vm_setup(vm);
    AWAIT(fault_thread != 0);
    return vm;
}

static void check_spin(unsigned spin_us, unsigned fault_threads)
{
    MigrationIncomingState *vm = start(spin_us, fault_threads, 65);
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;

    for (size_t page = 0; page < 64; page++) {
        CHECK_PAGE(ram, page);
    }
    CHECK_OK(uffd_incoming_pause(vm));
    touch_read(&toucher, ram_page(ram, 64));
    CHECK_WAITS(&toucher);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 64));
    CHECK_EQ(vm->handled, 65);
    vm_end(vm);
}

/* A guest that faults, then goes on for a while. */
#define FAULTS 64
#define GUEST_US 200

/* How often the fault thread goes to sleep between such faults from a page on. */
static long sleeps(const MigrationIncomingState *vm, size_t page)
{
    const RAMBlock *ram = vm->blocks[0];
    const long before = thread_sleeps(fault_thread);

    for (size_t end = page + FAULTS; page < end; page++) {
        CHECK_EQ(*(volatile uint8_t *)ram_page(ram, page), *ram_source(ram, page));
        usleep(GUEST_US);
    }
    return thread_sleeps(fault_thread) - before;
}

/* On a busy machine it takes many tries: after a spin that found nothing, the next one is shorter. */
#define TRIES 60
#define FEW (3 * FAULTS / 4)

static void check_spins(void)
{
    MigrationIncomingState *vm = start(1000, 1, TRIES * FAULTS);
    long fewest = FAULTS;

    for (size_t i = 0; i < TRIES && fewest >= FEW; i++) {
        const long now = sleeps(vm, i * FAULTS);

        fewest = now < fewest ? now : fewest;
    }
    if (fewest >= FEW) {
        FAIL("expected a fault thread that spins, saw it sleep %ld times between %d faults", fewest, FAULTS);
    }
    vm_end(vm);
}

static void check_sleeps(unsigned spin_us, unsigned fault_threads)
{
    MigrationIncomingState *vm = start(spin_us, fault_threads, 4 * FAULTS);

    for (size_t i = 0; i < 4; i++) {
        const long now = sleeps(vm, i * FAULTS);

        if (now < FAULTS / 2) {
            FAIL("expected a fault thread that sleeps, saw it sleep %ld times between %d faults", now, FAULTS);
        }
    }
    vm_end(vm);
}

int main(void)
{
    cpu_set_t set;

    for (unsigned fault_threads = 1; fault_threads <= 2; fault_threads++) {
        check_spin(1, fault_threads);
        check_spin(50, fault_threads);
        check_spin(1000, fault_threads);
    }
    CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
    if (CPU_COUNT(&set) >= 2) {
        check_spins();
        /* One CPU for each fault thread leaves none. */
        check_sleeps(1000, (unsigned)CPU_COUNT(&set) < 64 ? (unsigned)CPU_COUNT(&set) : 64);
    }
    check_sleeps(0, 1);
    return 0;
}
