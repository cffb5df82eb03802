/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * If the handler fails, the library pauses and reports why, and faults queue. After uffd_incoming_resume() the page
 * is requested again and served.
 */
#include <errno.h>

#include "vm.h"

static atomic_int result;
static atomic_uint calls;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    calls++;
    return result != 0 ? result : vm_serve_page(vm, rb, offset, fault_address);
}

/* Anything but 0 is a failure; what is no negative errno value is reported as -EIO. */
static void check_failure(int failure, int reported)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 3);
    RAMBlock *ram = vm->blocks[0];
    struct toucher first, second;

    calls = 0;
    result = failure;
    vm_setup(vm);
    touch_read(&first, ram_page(ram, 0));
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, reported) == 1);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_SOURCE_ERROR, reported), 1);
    AWAIT(vm_stats(vm).paused == 1);
    CHECK_EQ(vm_stats(vm).source_errors, 1);
    touch_read(&second, ram_page(ram, 1));
    CHECK_WAITS(&second);
    CHECK_WAITS(&first);
    CHECK_EQ(calls, 1);
    CHECK_EQ(vm_received(vm, ram, 0), 0);

    /* Placing works while paused. */
    vm_place(vm, ram, 2);
    CHECK_PAGE(ram, 2);

    result = 0;
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&first), *ram_source(ram, 0));
    CHECK_EQ(toucher_finish(&second), *ram_source(ram, 1));
    CHECK_PAGE(ram, 0);
    CHECK_PAGE(ram, 1);
    CHECK_EQ(calls, 3);
    CHECK_EQ(vm_stats(vm).paused, 0);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_RESUMED, 0) == 1);
    CHECK_EQ(vm->event_count, 3);
    vm_end(vm);
}

int main(void)
{
    check_failure(-ENETDOWN, -ENETDOWN);
    check_failure(1, -EIO);
    return 0;
}
