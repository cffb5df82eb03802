/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Every function that takes a mis gives -EINVAL for NULL, and -ENOENT for a mis that is not attached. */
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

static void check_all(MigrationIncomingState *mis, MigrationIncomingState *vm, RAMBlock *ram, int expected)
{
    static char not_a_snapshot[64];
    UffdSnapshot *unknown = (UffdSnapshot *)not_a_snapshot;
    UffdRamBlock block = ram_describe(ram);
    UffdIncomingStats stats = { .size = sizeof(stats) };
    UffdIncomingBlocktime blocktime = { .size = sizeof(blocktime) };
    void *host = ram->host;
    const void *from = ram->source;

    CHECK_ERRNO(uffd_incoming_configure(mis, &vm->config), expected);
    CHECK_ERRNO(uffd_incoming_add_ram_block(mis, ram, &block), expected);
    CHECK_ERRNO(uffd_incoming_remove_ram_block(mis, ram), expected);
    CHECK_ERRNO(uffd_setup_incoming(mis, vm_serve_page, 1), expected);
    CHECK_ERRNO(postcopy_ram_incoming_setup(mis), expected);
    CHECK_ERRNO(uffd_incoming_cleanup(mis), expected);
    CHECK_ERRNO(uffd_incoming_abort(mis), expected);
    CHECK_ERRNO(uffd_incoming_detach(mis), expected);
    CHECK_ERRNO(uffd_incoming_place_page(mis, ram, host, from), expected);
    CHECK_ERRNO(uffd_incoming_place_zero_page(mis, ram, host), expected);
    CHECK_ERRNO(uffd_incoming_place_range(mis, ram, host, from, ram->page_size), expected);
    CHECK(uffd_incoming_temp_page(mis, 0) == NULL);
    CHECK_ERRNO(uffd_incoming_page_received(mis, ram, 0), expected);
    CHECK_ERRNO(uffd_incoming_mark_received(mis, ram, 0, ram->page_size), expected);
    CHECK_ERRNO(uffd_incoming_pause(mis), expected);
    CHECK_ERRNO(uffd_incoming_resume(mis), expected);
    CHECK_ERRNO(uffd_incoming_notify(mis), expected);
    CHECK_ERRNO(uffd_incoming_foreach_requested(mis, each, NULL), expected);
    CHECK_ERRNO(uffd_incoming_wait(mis, 0), expected);
    CHECK_ERRNO(uffd_incoming_load_snapshot(mis, mis ? unknown : NULL, NULL), expected);
    CHECK_ERRNO(uffd_incoming_get_stats(mis, &stats), expected);
    CHECK_ERRNO(uffd_incoming_get_blocktime(mis, &blocktime), expected);
    CHECK_EQ(stats.fault_threads, 0);
    CHECK_EQ(blocktime.vcpus, 0);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    RAMBlock *ram = ram_new(RAM_ANON, 1);

    check_all(NULL, vm, ram, -EINVAL);
    CHECK_ERRNO(uffd_incoming_attach(NULL, NULL), -EINVAL);
    check_all(vm, vm, ram, -ENOENT);

    vm_attach(vm);
    CHECK_OK(uffd_incoming_detach(vm));
    check_all(vm, vm, ram, -ENOENT);
    ram_free(ram);
    return 0;
}
