/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The event callback runs on the thread that causes the event: a failure on the fault thread, a pause on the caller's
 * thread.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "vm.h"

static atomic_bool fails = true;
static _Atomic pid_t handler_thread;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    handler_thread = gettid();
    return fails ? -EIO : vm_serve_page(vm, rb, offset, fault_address);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 1);
    struct toucher toucher;

    vm_setup(vm);
    CHECK_OK(uffd_incoming_pause(vm));
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(vm->event_count, 2);
    CHECK_EQ(vm->events[0].what, UFFD_INCOMING_EVENT_PAUSED);
    CHECK_EQ(vm->events[0].thread, gettid());
    CHECK_EQ(vm->events[1].what, UFFD_INCOMING_EVENT_RESUMED);
    CHECK_EQ(vm->events[1].thread, gettid());

    touch_read(&toucher, vm->blocks[0]->host);
    AWAIT(vm->event_count == 4);
    CHECK_EQ(vm->events[2].thread, handler_thread);
    CHECK_EQ(vm->events[3].thread, handler_thread);
    fails = false;
    CHECK_OK(uffd_incoming_resume(vm));
    toucher_finish(&toucher);
    vm_end(vm);
    return 0;
}
