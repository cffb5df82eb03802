/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A setup without a handler, a channel or a RAM block is refused, and leaves the mis as it was. */
#include <errno.h>

#include "resources.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    struct resources before = resources_count(vm);
    CHECK_ERRNO(uffd_setup_incoming(vm, vm_serve_page, 1), -EINVAL);
    CHECK_ERRNO(postcopy_ram_incoming_setup(vm), -EINVAL);
    CHECK_RESOURCES(vm, before);

    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 1);
    before = resources_count(vm);
    CHECK_ERRNO(uffd_setup_incoming(vm, NULL, 1), -EINVAL);
    CHECK_ERROR_HAS("handler");
    CHECK_ERRNO(uffd_setup_incoming(vm, vm_serve_page, 0), -EINVAL);
    CHECK_ERROR_HAS("channel");
    vm->config.page_handler = NULL;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    CHECK_ERRNO(postcopy_ram_incoming_setup(vm), -EINVAL);
    CHECK_ERROR_HAS("handler");
    CHECK_RESOURCES(vm, before);
    CHECK_EQ(vm_stats(vm).fault_threads, 0);

    /* The handler given here wins over the configuration's, which is none. */
    CHECK_OK(uffd_setup_incoming(vm, vm_serve_page, 1));
    CHECK_PAGE(ram, 0);
    vm_end(vm);
    return 0;
}
