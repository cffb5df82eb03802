/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A mis can be attached once, also with a NULL configuration. It is unknown before it is attached and after it is
 * detached.
 */
#include <errno.h>

#include "vm.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    CHECK_ERRNO(uffd_incoming_attach(NULL, &vm->config), -EINVAL);
    CHECK_ERRNO(uffd_incoming_detach(vm), -ENOENT);

    CHECK_OK(uffd_incoming_attach(vm, NULL));
    CHECK_ERRNO(uffd_incoming_attach(vm, NULL), -EBUSY);
    CHECK_ERRNO(uffd_incoming_attach(vm, &vm->config), -EBUSY);
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    CHECK_OK(uffd_incoming_configure(vm, NULL));
    CHECK_OK(uffd_incoming_detach(vm));
    CHECK_ERRNO(uffd_incoming_detach(vm), -ENOENT);

    /* Detaching forgets the RAM blocks too. */
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 1);
    CHECK_OK(uffd_incoming_detach(vm));
    vm_attach(vm);
    CHECK_ERRNO(uffd_incoming_page_received(vm, ram, 0), -ENOENT);
    vm_end(vm);
    return 0;
}
