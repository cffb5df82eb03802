/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * postcopy_ram_incoming_setup() allocates one channel, or two with the preempt thread, and installs the handler of
 * the configuration.
 */

#include "vm.h"


static void check_channels(MigrationIncomingState *vm, unsigned channels)
{
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    CHECK(uffd_incoming_temp_page(vm, channels - 1) != NULL);
    CHECK(uffd_incoming_temp_page(vm, channels) == NULL);
    CHECK_PAGE(vm->blocks[0], channels);
    CHECK_OK(uffd_incoming_cleanup(vm));
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 3);

    check_channels(vm, 1);
    vm_want_preempt_thread(vm);
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    check_channels(vm, 2);
    CHECK_EQ(vm->handled, 2);
    vm_end(vm);
    return 0;
}
