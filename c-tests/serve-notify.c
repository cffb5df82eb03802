/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uffd_incoming_notify() wakes sleeping fault threads. It is harmless when they are idle, serve faults, or are
 * paused; it does not end a pause.
 */
#define _GNU_SOURCE
#include <string.h>

#include "thread.h"
#include "vm.h"

static pid_t fault_threads[64];
static atomic_uint fault_thread_count;

static void thread_start(MigrationIncomingState *vm, const char *name)
{
    (void)vm;
    if (strncmp(name, "uffd/fault", strlen("uffd/fault")) == 0) {
        fault_threads[fault_thread_count++] = gettid();
    }
}

/* Waits until a thread has gone to sleep and stays asleep: how often it has done so by then. */
static long settled(pid_t tid)
{
    long before, now = thread_sleeps(tid);

    do {
        before = now;
        let_wrong_things_happen();
        now = thread_sleeps(tid);
    } while (now != before);
    return now;
}

static void check_wakes(MigrationIncomingState *vm)
{
    const unsigned count = vm_fault_threads(vm);
    long before[64];

    AWAIT(fault_thread_count == count);
    for (unsigned i = 0; i < count; i++) {
        before[i] = settled(fault_threads[i]);
    }
    CHECK_OK(uffd_incoming_notify(vm));
    for (unsigned i = 0; i < count; i++) {
        AWAIT(thread_sleeps(fault_threads[i]) > before[i]);
    }
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.thread_start = thread_start;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 64);
    vm_setup(vm);
    check_wakes(vm);
    for (size_t page = 0; page + 1 < ram->pages; page++) {
        CHECK_OK(uffd_incoming_notify(vm));
        CHECK_PAGE(ram, page);
        CHECK_OK(uffd_incoming_notify(vm));
    }
    check_wakes(vm);
    CHECK_OK(uffd_incoming_pause(vm));
    touch_read(&toucher, ram_page(ram, 63));
    toucher_await_fault(&toucher);
    CHECK_OK(uffd_incoming_notify(vm));
    CHECK_WAITS(&toucher);
    CHECK_EQ(vm->handled, 63);
    CHECK_OK(uffd_incoming_resume(vm));
    toucher_finish(&toucher);
    CHECK_EQ(vm->handled, 64);
    vm_end(vm);
    return 0;
}
