/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A set-up that fails at one of its steps returns the error of that step, names it, and leaves nothing behind. The kernel
 * refuses a system call, or a callback or an argument makes the step fail. tests/sweep fails every call with every errno;
 * this test adds the messages, the callbacks and the preempt thread.
 */
#include <errno.h>
#include <limits.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "failing-setup.h"
#include "refuse.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

static bool without_preempt_thread;
static int setup_done_result;
static unsigned channels = 1;

static void refuse_userfaultfd(void)
{
    refuse_ioctl(USERFAULTFD_IOC_NEW, EPERM);
    refuse_syscall(SYS_userfaultfd, EPERM);
}

static void refuse_handshake(void)
{
    refuse_ioctl(UFFDIO_API, EINVAL);
}

static void refuse_eventfd(void)
{
    refuse_syscall(SYS_eventfd2, EMFILE);
}

static void refuse_registration(void)
{
    refuse_ioctl(UFFDIO_REGISTER, ENOMEM);
}

static void refuse_threads(void)
{
    refuse_syscall(SYS_clone, EAGAIN);
    refuse_syscall(SYS_clone3, EAGAIN);
}

static void refuse_preempt_thread(void)
{
    without_preempt_thread = true;
}

static void ask_for_too_many_channels(void)
{
    channels = UINT_MAX;
}

static void fail_setup_done(void)
{
    setup_done_result = -ESTALE;
}

static void fail_setup_done_without_errno(void)
{
    setup_done_result = 42;
}

/* Called when the fault threads run and the preempt thread does not yet. */
static int setup_done(MigrationIncomingState *vm)
{
    int result = setup_done_result;

    CHECK_EQ(vm_stats(vm).fault_threads, vm_fault_threads(vm));
    if (without_preempt_thread) {
        without_preempt_thread = false;
        refuse_threads();
    }
    setup_done_result = 0;
    return result;
}

static int setup_channels(MigrationIncomingState *vm)
{
    unsigned asked_for = channels;

    channels = 1;
    return uffd_setup_incoming(vm, vm_serve_page, asked_for);
}

static const struct failing_setup steps[] = {
    { refuse_userfaultfd, setup_incoming, -EPERM, { "userfaultfd", "system call" } },
    { refuse_handshake, setup_incoming, -EINVAL, { "UFFDIO_API" } },
    { refuse_eventfd, setup_incoming, -EMFILE, { "eventfd" } },
    { refuse_registration, setup_incoming, -ENOMEM, { "UFFDIO_REGISTER", "vm.max_map_count" } },
    { refuse_threads, setup_incoming, -EAGAIN, { "thread", "ulimit -u" } },
    { ask_for_too_many_channels, setup_channels, -ENOMEM, { "temporary page" } },
    { fail_setup_done, setup_incoming, -ESTALE, { "setup_done" } },
    { fail_setup_done_without_errno, setup_incoming, -EIO, { "setup_done" } },
    { refuse_preempt_thread, postcopy_ram_incoming_setup, -EAGAIN, { "preempt", "thread" } },
};

int main(void)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        MigrationIncomingState *vm = vm_new();

        vm_want_preempt_thread(vm);
        vm->config.setup_done = setup_done;
        vm_attach(vm);
        vm_add_ram(vm, RAM_ANON, 2);
        vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
        check_failing_setup(vm, &steps[i]);
        vm_end(vm);
    }
    return 0;
}
