/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The event callback may resume at once. Each failing call of the handler is reported, paused and repeated. */
#include <errno.h>

#include "vm.h"

#define FAILURES 5

static atomic_uint calls, pauses;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    return calls++ < FAILURES ? -EAGAIN : vm_serve_page(vm, rb, offset, fault_address);
}

static void event(MigrationIncomingState *vm, int what, int error)
{
    if (what == UFFD_INCOMING_EVENT_PAUSED) {
        CHECK_EQ(error, -EAGAIN);
        pauses++;
        CHECK_OK(uffd_incoming_resume(vm));
    }
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.page_handler = serve;
    vm->config.event = event;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 1);
    vm_setup(vm);
    CHECK_PAGE(ram, 0);
    CHECK_EQ(calls, FAILURES + 1);
    CHECK_EQ(pauses, FAILURES);
    CHECK_EQ(vm_stats(vm).paused, 0);
    vm_end(vm);
    return 0;
}
