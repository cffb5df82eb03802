/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Before the setup and after cleanup, calls that need an armed mis give -EINVAL; cleanup and abort give 0. */
#include <errno.h>

#include "vm.h"

static int each(MigrationIncomingState *mis, RAMBlock *rb, ram_addr_t offset, void *opaque)
{
    (void)mis;
    (void)rb;
    (void)offset;
    (void)opaque;
    return 0;
}

static void check_not_armed(MigrationIncomingState *vm, RAMBlock *ram)
{
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_OK(uffd_incoming_abort(vm));
    CHECK_ERRNO(uffd_incoming_place_page(vm, ram, ram->host, ram->source), -EINVAL);
    CHECK_ERRNO(uffd_incoming_place_zero_page(vm, ram, ram->host), -EINVAL);
    CHECK_ERRNO(uffd_incoming_place_range(vm, ram, ram->host, ram->source, ram->length), -EINVAL);
    CHECK_ERRNO(uffd_incoming_pause(vm), -EINVAL);
    CHECK_ERRNO(uffd_incoming_resume(vm), -EINVAL);
    CHECK_ERRNO(uffd_incoming_notify(vm), -EINVAL);
    CHECK_ERRNO(uffd_incoming_foreach_requested(vm, each, NULL), -EINVAL);
    CHECK_ERRNO(uffd_incoming_wait(vm, 0), -EINVAL);
    CHECK(uffd_incoming_temp_page(vm, 0) == NULL);
    CHECK_EQ(vm_stats(vm).fault_threads, 0);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2);
    RAMBlock *ram = vm->blocks[0];

    check_not_armed(vm, ram);
    vm_setup(vm);
    CHECK_ERRNO(uffd_incoming_wait(vm, 0), -EINVAL); /* no snapshot is being loaded */
    CHECK_OK(uffd_incoming_cleanup(vm));
    check_not_armed(vm, ram);
    vm_setup(vm);
    CHECK_OK(uffd_incoming_abort(vm));
    check_not_armed(vm, ram);
    vm_end(vm);
    return 0;
}
