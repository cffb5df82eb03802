/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The fault thread starts, the preempt thread cannot. */
#include <errno.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include "failing-setup.h"
#include "refuse.h"

static sem_t quit;
static bool no_more_threads;

static void preempt_run(MigrationIncomingState *vm)
{
    (void)vm;
    sem_wait(&quit);
}

static void preempt_quit(MigrationIncomingState *vm)
{
    (void)vm;
    sem_post(&quit);
}

static void refuse_later(void)
{
    no_more_threads = true;
}

/* Comes after the fault thread and before the preempt thread. */
static int setup_done(MigrationIncomingState *vm)
{
    (void)vm;
    if (no_more_threads) {
        no_more_threads = false;
        refuse_syscall(SYS_clone, EAGAIN);
        refuse_syscall(SYS_clone3, EAGAIN);
    }
    return 0;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    sem_init(&quit, 0, 0);
    vm->config.flags |= UFFD_INCOMING_PREEMPT;
    vm->config.preempt_run = preempt_run;
    vm->config.preempt_quit = preempt_quit;
    vm->config.setup_done = setup_done;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 2);
    vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    check_failing_setup(vm, &(struct failing_setup) {
        .prepare = refuse_later,
        .setup = postcopy_ram_incoming_setup,
        .error = -EAGAIN,
        .words = { "preempt", "thread" },
    });
    vm_end(vm);
    return 0;
}
