/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The setup_done callback refuses: its value is the set-up's, and all is undone. */
#include <errno.h>

#include "failing-setup.h"

static int result;

static int setup_done(MigrationIncomingState *vm)
{
    int returned = result;

    CHECK_EQ(vm_stats(vm).fault_threads, vm_fault_threads(vm));
    result = 0;
    return returned;
}

static void refuse_negative(void)
{
    result = -ESTALE;
}

static void refuse_positive(void)
{
    result = 42;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.setup_done = setup_done;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 2);
    vm_add_ram(vm, RAM_MEMFD_SHARED, 2);
    struct failing_setup how = {
        .prepare = refuse_negative,
        .setup = setup_incoming,
        .error = -ESTALE,
        .words = { "setup_done" },
    };
    check_failing_setup(vm, &how);

    for (unsigned i = 0; i < vm->block_count; i++) {
        ram_discard(vm->blocks[i], 0, 2);
    }
    how.prepare = refuse_positive;
    how.error = -EIO; /* a value that is no negative errno value */
    check_failing_setup(vm, &how);
    vm_end(vm);
    return 0;
}
