/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A RAM block with an unreadable page is removed during the pause. After the resume the page is not requested again.
 */
#include <errno.h>

#include "vm.h"

static RAMBlock *failing;
static atomic_uint failures;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (rb == failing) {
        failures++;
        return -EIO;
    }
    return vm_serve_page(vm, rb, offset, fault_address);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 1);
    RAMBlock *other = vm_add_ram(vm, RAM_ANON, 1);
    struct toucher first, second;

    failing = vm->blocks[0];
    vm_setup(vm);
    touch_read(&first, failing->host);
    AWAIT(vm_stats(vm).paused == 1);
    touch_read(&second, other->host);
    CHECK_WAITS(&second);
    CHECK_OK(uffd_incoming_remove_ram_block(vm, failing));
    CHECK_EQ(toucher_finish(&first), 0);
    CHECK_WAITS(&second);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&second), *other->source);
    CHECK_EQ(failures, 1);
    vm_end(vm);
    return 0;
}
