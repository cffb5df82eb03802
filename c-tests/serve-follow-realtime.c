/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A fault thread does not move to the CPU of a pinned thread with a real-time policy: there it would hardly ever run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "vm.h"

enum { PAGES = 200 };

static _Atomic pid_t fault_thread;
static int last_cpu;

static void thread_start(MigrationIncomingState *vm, const char *name)
{
    (void)vm;
    if (strcmp(name, "uffd/fault0") == 0) {
        fault_thread = gettid();
    }
}

static void *walk(void *opaque)
{
    const RAMBlock *rb = opaque;
    cpu_set_t set, of_fault_thread;
    unsigned followed = 0;

    CPU_ZERO(&set);
    CPU_SET(last_cpu, &set);
    CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
    if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param) { .sched_priority = 1 }) != 0) {
        SKIP("SCHED_FIFO: %s; CAP_SYS_NICE is needed", strerror(errno));
    }
    for (size_t page = 0; page < PAGES; page++) {
        CHECK_PAGE(rb, page);
        CHECK_EQ(sched_getaffinity(fault_thread, sizeof(of_fault_thread), &of_fault_thread), 0);
        followed += CPU_EQUAL(&of_fault_thread, &set);
    }
    CHECK_EQ(followed, 0);
    return NULL;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    cpu_set_t home;
    pthread_t thread;

    CHECK_EQ(sched_getaffinity(0, sizeof(home), &home), 0);
    if (CPU_COUNT(&home) < 2) {
        SKIP("there is one CPU only, and so nowhere to go");
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        last_cpu = CPU_ISSET(cpu, &home) ? cpu : last_cpu;
    }
    vm->config.fault_threads = 1;
    vm->config.thread_start = thread_start;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    vm_setup(vm);

    CHECK_EQ(pthread_create(&thread, NULL, walk, rb), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    vm_end(vm);
    return 0;
}
