/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A callback runs on a caller's thread and calls a function that waits for nothing. Meanwhile a second thread waits
 * for that caller, and a third thread calls, too. None of them deadlocks.
 */
#include <errno.h>
#include <semaphore.h>

#include "vm.h"

struct call {
    pthread_t thread;
    int (*call)(MigrationIncomingState *vm);
    MigrationIncomingState *vm;
};

static sem_t go;
static atomic_bool in_event;
static atomic_uint stopped;

static void event(MigrationIncomingState *vm, int what, int error)
{
    (void)error;
    if (what == UFFD_INCOMING_EVENT_RESUMED) {
        in_event = true;
        CHECK_EQ(sem_wait(&go), 0);
        CHECK_ERRNO(uffd_incoming_configure(vm, NULL), -EBUSY);
    }
}

static void thread_stop(MigrationIncomingState *vm, const char *name)
{
    (void)vm;
    (void)name;
    stopped++;
}

static int remove_first(MigrationIncomingState *vm)
{
    return uffd_incoming_remove_ram_block(vm, vm->blocks[0]);
}

static int remove_second(MigrationIncomingState *vm)
{
    return uffd_incoming_remove_ram_block(vm, vm->blocks[1]);
}

static void *run(void *opaque)
{
    struct call *call = opaque;

    CHECK_OK(call->call(call->vm));
    return NULL;
}

static void start(struct call *call, int (*function)(MigrationIncomingState *vm), MigrationIncomingState *vm)
{
    *call = (struct call) { .call = function, .vm = vm };
    CHECK_EQ(pthread_create(&call->thread, NULL, run, call), 0);
}

static void check(int (*first)(MigrationIncomingState *vm), int (*second)(MigrationIncomingState *vm))
{
    MigrationIncomingState *vm = vm_new();
    struct call calls[3];

    CHECK_EQ(sem_init(&go, 0, 0), 0);
    in_event = false;
    stopped = 0;
    vm->config.event = event;
    vm->config.thread_stop = thread_stop;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 4);
    vm_add_ram(vm, RAM_ANON, 4);
    vm_setup(vm);
    CHECK_OK(uffd_incoming_pause(vm));
    start(&calls[0], uffd_incoming_resume, vm);
    AWAIT(in_event);
    start(&calls[1], first, vm);
    if (first == uffd_incoming_cleanup) {
        AWAIT(stopped >= vm_fault_threads(vm));
    }
    let_wrong_things_happen(); /* the one waits, */
    start(&calls[2], second, vm);
    let_wrong_things_happen(); /* the other holds what the callback needs */
    CHECK_EQ(sem_post(&go), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(calls[i].thread, NULL), 0);
    }
    vm_end(vm);
}

int main(void)
{
    check(uffd_incoming_cleanup, uffd_incoming_abort);
    check(remove_first, remove_second);
    return 0;
}
