/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The page handler may call every function that does not wait for callbacks. */
#include <errno.h>
#include <string.h>

#include "vm.h"

static int count(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *opaque)
{
    (void)vm;
    (void)rb;
    (void)offset;
    ++*(unsigned *)opaque;
    return 0;
}

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    UffdIncomingHost host = { .size = sizeof(host) };
    UffdIncomingBlocktime blocktime = { .size = sizeof(blocktime) };
    UffdRamBlock block = ram_describe(rb);
    void *temp = uffd_incoming_temp_page(vm, 0);
    unsigned requested = 0;

    (void)fault_address;
    vm->handled++;
    CHECK_EQ(offset, 0);
    CHECK_EQ(vm_received(vm, rb, 0), 0);
    CHECK_OK(uffd_incoming_foreach_requested(vm, count, &requested));
    CHECK_EQ(requested, 1); /* this one */
    CHECK_OK(uffd_incoming_probe(&host));
    CHECK_OK(uffd_incoming_get_blocktime(vm, &blocktime));
    CHECK_EQ(vm_stats(vm).pages_requested, 1);
    CHECK_EQ(vm_stats(vm).paused, 0);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_OK(uffd_incoming_notify(vm));
    CHECK(uffd_incoming_version()[0] != '\0');
    CHECK_ERRNO(uffd_incoming_attach(vm, NULL), -EBUSY);
    CHECK_ERRNO(uffd_incoming_configure(vm, NULL), -EBUSY);
    CHECK_ERRNO(uffd_incoming_add_ram_block(vm, rb, &block), -EBUSY);

    memcpy(temp, ram_source(rb, 0), rb->page_size);
    CHECK_OK(uffd_incoming_place_page(vm, rb, rb->host, temp));
    CHECK_EQ(vm_received(vm, rb, 0), 1);
    CHECK_OK(uffd_incoming_place_zero_page(vm, rb, ram_page(rb, 1)));
    CHECK_OK(uffd_incoming_place_range(vm, rb, ram_page(rb, 2), ram_source(rb, 2), 2 * rb->page_size));
    CHECK_OK(uffd_incoming_mark_received(vm, rb, 4 * rb->page_size, rb->page_size));
    return 0;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.page_handler = serve;
    vm->config.flags |= UFFD_INCOMING_BLOCKTIME;
    vm->config.vcpus = 1;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 5);
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    CHECK_PAGE(ram, 0);
    CHECK_ZEROS(ram, 1);
    CHECK_PAGE(ram, 2);
    CHECK_PAGE(ram, 3);
    CHECK_ZEROS(ram, 4);
    CHECK_EQ(vm->handled, 1);
    vm_end(vm);
    return 0;
}
