/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The preempt thread may end before preempt_quit is called. Cleanup and the next setup work as usual. */
#include "vm.h"

static atomic_uint runs, quits;

static void preempt_run(MigrationIncomingState *vm)
{
    (void)vm;
    runs++;
}

static void preempt_quit(MigrationIncomingState *vm)
{
    (void)vm;
    quits++;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_PREEMPT;
    vm->config.preempt_run = preempt_run;
    vm->config.preempt_quit = preempt_quit;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 2);
    for (unsigned round = 1; round <= 2; round++) {
        CHECK_OK(postcopy_ram_incoming_setup(vm));
        AWAIT(runs == round);
        CHECK_PAGE(ram, round - 1);
        CHECK_OK(uffd_incoming_cleanup(vm));
        CHECK(quits <= round);
    }
    vm_end(vm);
    return 0;
}
