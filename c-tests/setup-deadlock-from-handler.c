/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Calls that wait for callbacks give -EDEADLK in the page handler, at once. The handler's page is served as usual. */
#include <errno.h>

#include "vm.h"

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EDEADLK);
    CHECK_ERRNO(uffd_incoming_abort(vm), -EDEADLK);
    CHECK_ERRNO(uffd_incoming_detach(vm), -EDEADLK);
    CHECK_ERRNO(uffd_incoming_pause(vm), -EDEADLK);
    CHECK_ERRNO(uffd_setup_incoming(vm, vm_serve_page, 1), -EDEADLK);
    CHECK_ERRNO(postcopy_ram_incoming_setup(vm), -EDEADLK);
    CHECK_ERRNO(uffd_incoming_wait(vm, 0), -EDEADLK);
    CHECK_ERRNO(uffd_incoming_remove_ram_block(vm, rb), -EDEADLK);
    return vm_serve_page(vm, rb, offset, fault_address);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 2);

    vm_setup(vm);
    CHECK_PAGE(vm->blocks[0], 0);
    CHECK_PAGE(vm->blocks[0], 1);
    CHECK_EQ(vm->handled, 2);
    vm_end(vm);
    return 0;
}
