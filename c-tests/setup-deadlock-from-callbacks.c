/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Calls that wait for callbacks give -EDEADLK in every callback but the page handler. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include "vm.h"

static sem_t quit;
static atomic_uint ram_blocks_calls, setup_done_calls, open_calls, start_calls, stop_calls, vcpu_calls;
static atomic_uint event_calls, run_calls, quit_calls;

static void check_refused(MigrationIncomingState *vm, atomic_uint *calls)
{
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EDEADLK);
    CHECK_ERRNO(uffd_incoming_abort(vm), -EDEADLK);
    CHECK_ERRNO(uffd_incoming_detach(vm), -EDEADLK);
    CHECK_ERRNO(uffd_setup_incoming(vm, vm_serve_page, 1), -EDEADLK);
    CHECK_ERRNO(postcopy_ram_incoming_setup(vm), -EDEADLK);
    (*calls)++;
}

static int ram_blocks(MigrationIncomingState *vm)
{
    check_refused(vm, &ram_blocks_calls);
    vm_add_ram(vm, RAM_ANON, 1);
    return 0;
}

static int setup_done(MigrationIncomingState *vm)
{
    check_refused(vm, &setup_done_calls);
    return 0;
}

static int open_userfaultfd(MigrationIncomingState *vm)
{
    int user_mode_only = vm->config.flags & UFFD_INCOMING_USER_MODE_ONLY ? 1 : 0;

    check_refused(vm, &open_calls);
    return syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | user_mode_only);
}

static void thread_start(MigrationIncomingState *vm, const char *name)
{
    (void)name;
    check_refused(vm, &start_calls);
}

static void thread_stop(MigrationIncomingState *vm, const char *name)
{
    (void)name;
    check_refused(vm, &stop_calls);
}

static int vcpu_index(MigrationIncomingState *vm, uint32_t thread_id)
{
    (void)thread_id;
    check_refused(vm, &vcpu_calls);
    return 0;
}

static void event(MigrationIncomingState *vm, int what, int error)
{
    (void)what;
    (void)error;
    check_refused(vm, &event_calls);
}

static void preempt_run(MigrationIncomingState *vm)
{
    check_refused(vm, &run_calls);
    sem_wait(&quit);
}

static void preempt_quit(MigrationIncomingState *vm)
{
    check_refused(vm, &quit_calls);
    sem_post(&quit);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    sem_init(&quit, 0, 0);
    vm->config.flags |= UFFD_INCOMING_PREEMPT | UFFD_INCOMING_BLOCKTIME;
    vm->config.vcpus = 1;
    vm->config.ram_blocks = ram_blocks;
    vm->config.setup_done = setup_done;
    vm->config.open_userfaultfd = open_userfaultfd;
    vm->config.thread_start = thread_start;
    vm->config.thread_stop = thread_stop;
    vm->config.vcpu_index = vcpu_index;
    vm->config.event = event;
    vm->config.preempt_run = preempt_run;
    vm->config.preempt_quit = preempt_quit;
    vm_attach(vm);
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    CHECK_PAGE(vm->blocks[0], 0);
    CHECK_OK(uffd_incoming_pause(vm));
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(ram_blocks_calls, 1);
    CHECK_EQ(setup_done_calls, 1);
    CHECK_EQ(open_calls, vm_fault_threads(vm));
    CHECK_EQ(start_calls, vm_threads(vm) + 1);
    CHECK_EQ(stop_calls, vm_threads(vm) + 1);
    CHECK_EQ(vcpu_calls, 1);
    CHECK_EQ(event_calls, 2);
    CHECK_EQ(run_calls, 1);
    CHECK_EQ(quit_calls, 1);
    vm_end(vm);
    return 0;
}
