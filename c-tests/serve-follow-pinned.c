/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A fault thread moves to the CPU of a pinned thread that faults alone. It moves back when another thread faults, or
 * when no fault comes for a while. It does not move for a thread that is not pinned, for two threads that fault in
 * turns, or to a CPU where it may not run.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "vm.h"

enum { PAGES = 200 };

static _Atomic pid_t fault_thread;
static cpu_set_t home;
static int busy_cpu; /* the last one we may run on */
static atomic_uint followed; /* how often a thread that walks saw it on its own CPU */
static bool keep_off; /* the fault thread may not run on it */

static void thread_start(MigrationIncomingState *vm, const char *name)
{
    (void)vm;
    if (strcmp(name, "uffd/fault0") != 0) {
        return;
    }
    if (keep_off) {
        cpu_set_t set = home;

        CPU_CLR(busy_cpu, &set);
        CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
    }
    fault_thread = gettid();
}

static cpu_set_t only(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return set;
}

static bool runs_on(cpu_set_t expected)
{
    cpu_set_t set;

    CHECK_EQ(sched_getaffinity(fault_thread, sizeof(set), &set), 0);
    return CPU_EQUAL(&set, &expected);
}

struct walk {
    RAMBlock *ram;
    size_t from, to;
    bool pinned;
};

static void *walk(void *opaque)
{
    const struct walk *walk = opaque;

    if (walk->pinned) {
        cpu_set_t set = only(busy_cpu);

        CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
    }
    for (size_t page = walk->from; page < walk->to; page++) {
        CHECK_PAGE(walk->ram, page);
        followed += runs_on(only(busy_cpu));
    }
    return NULL;
}

static void walk_on_a_thread(RAMBlock *ram, size_t from, size_t to, bool pinned)
{
    struct walk arguments = {ram, from, to, pinned};
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, walk, &arguments), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static MigrationIncomingState *start(RAMBlock **ram)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.fault_threads = 1;
    vm->config.thread_start = thread_start;
    vm_attach(vm);
    *ram = vm_add_ram(vm, RAM_ANON, PAGES);
    vm_setup(vm);
    AWAIT(fault_thread != 0);
    return vm;
}

static void end(MigrationIncomingState *vm)
{
    vm_end(vm);
    fault_thread = 0;
}

int main(void)
{
    RAMBlock *ram;
    MigrationIncomingState *vm;

    CHECK_EQ(sched_getaffinity(0, sizeof(home), &home), 0);
    if (CPU_COUNT(&home) < 2) {
        SKIP("there is one CPU only, and so nowhere to go");
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        busy_cpu = CPU_ISSET(cpu, &home) ? cpu : busy_cpu;
    }

    vm = start(&ram);
    walk_on_a_thread(ram, 0, 50, false);
    CHECK(runs_on(home));
    CHECK_EQ(followed, 0);
    walk_on_a_thread(ram, 50, 100, true);
    CHECK(followed > 0);
    AWAIT(runs_on(home));
    walk_on_a_thread(ram, 100, 101, true);
    for (size_t page = 101; page < PAGES; page++) {
        walk_on_a_thread(ram, page, page + 1, true);
    }
    CHECK(runs_on(home));
    end(vm);

    keep_off = true;
    vm = start(&ram);
    walk_on_a_thread(ram, 0, PAGES, true);
    CHECK(!runs_on(only(busy_cpu)));
    end(vm);
    return 0;
}
