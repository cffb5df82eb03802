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

/* How much CPU the fault thread takes for such faults from a page on: nanoseconds each. */
static uint64_t cpu_per_fault(const MigrationIncomingState *vm, size_t page)
{
    const RAMBlock *ram = vm->blocks[0];
    const uint64_t before = thread_cpu_ns(fault_thread);

    for (size_t end = page + FAULTS; page < end; page++) {
        CHECK_EQ(*(volatile uint8_t *)ram_page(ram, page), *ram_source(ram, page));
        usleep(GUEST_US);
    }
    return (thread_cpu_ns(fault_thread) - before) / FAULTS;
}

static uint64_t cpu_without_spinning(void)
{
    MigrationIncomingState *vm = start(0, 1, FAULTS);
    const uint64_t ns = cpu_per_fault(vm, 0);

    vm_end(vm);
    return ns;
}

/* On a busy machine it takes many tries: after a spin that found nothing, the next one is shorter. */
#define TRIES 60
/* The kernel may charge the thread for time that another virtual machine took: once may be chance. */
#define ENOUGH 3

static void check_spins(void)
{
    const uint64_t without = cpu_without_spinning();
    MigrationIncomingState *vm = start(1000, 1, TRIES * FAULTS);
    uint64_t most = 0;
    unsigned seen = 0;

    /* Nearly all of the time between two faults, if it spins. */
    for (size_t i = 0; i < TRIES && seen < ENOUGH; i++) {
        const uint64_t ns = cpu_per_fault(vm, i * FAULTS);

        most = ns > most ? ns : most;
        seen += ns >= without + GUEST_US * 1000 / 2;
    }
    if (seen < ENOUGH) {
        FAIL("expected a fault thread that spins, saw %ju ns a fault, and %ju ns without spinning", (uintmax_t)most,
             (uintmax_t)without);
    }
    vm_end(vm);
}

/* One CPU for each fault thread leaves none. */
static void check_leaves_a_cpu(unsigned cpus)
{
    const uint64_t without = cpu_without_spinning();
    MigrationIncomingState *vm = start(1000, cpus, 4 * FAULTS);

    for (size_t i = 0; i < 4; i++) {
        CHECK(cpu_per_fault(vm, i * FAULTS) < without + GUEST_US * 1000 / 2);
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
        check_leaves_a_cpu((unsigned)CPU_COUNT(&set) < 64 ? (unsigned)CPU_COUNT(&set) : 64);
    }
    return 0;
}
