/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Several mis are armed at once. Each fault calls the handler of its own mis. Memory that one of them serves is
 * refused to the others.
 */
#include <errno.h>

#include "vm.h"

static int serve_zeros(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    (void)fault_address;
    vm->handled++;
    return uffd_incoming_place_zero_page(vm, rb, rb->host + offset);
}

int main(void)
{
    MigrationIncomingState *data = vm_with_ram(NULL, 4), *zeros = vm_with_ram(serve_zeros, 4);
    MigrationIncomingState *thief = vm_new();
    RAMBlock *ram = data->blocks[0];
    UffdRamBlock stolen = ram_describe(ram);

    vm_setup(data);
    vm_setup(zeros);
    CHECK_PAGE(ram, 0);
    CHECK_ZEROS(zeros->blocks[0], 0);

    /* Its failing set-up undoes only what it did, and so has nothing to warn of. */
    thief->config.log = vm_no_message;
    vm_attach(thief);
    CHECK_OK(uffd_incoming_add_ram_block(thief, ram, &stolen));
    CHECK(uffd_setup_incoming(thief, serve_zeros, 1) < 0);
    CHECK_ERROR_HAS(ram->idstr);
    CHECK_OK(uffd_incoming_detach(thief));
    CHECK_PAGE(ram, 1);

    CHECK_OK(uffd_incoming_pause(data));
    CHECK_ZEROS(zeros->blocks[0], 1);
    CHECK_OK(uffd_incoming_resume(data));
    vm_end(zeros);
    CHECK_PAGE(ram, 2);
    CHECK_EQ(data->handled, 3);
    vm_end(data);
    return 0;
}
