/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A fault by a read or a write calls the handler on a library thread, with the mis, the block, the offset and the
 * address.
 */
#define _GNU_SOURCE
#include "vm.h"

/* Atomic, since only the kernel puts the handler's writes before what the thread that faulted reads. */
static struct {
    _Atomic(MigrationIncomingState *) vm;
    _Atomic(RAMBlock *) rb;
    _Atomic ram_addr_t offset;
    _Atomic(void *) address;
    _Atomic pid_t thread;
} seen;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    seen.vm = vm;
    seen.rb = rb;
    seen.offset = offset;
    seen.address = fault_address;
    seen.thread = gettid();
    return vm_serve_page(vm, rb, offset, fault_address);
}

static void check_seen(MigrationIncomingState *vm, RAMBlock *rb, size_t page)
{
    CHECK_EQ(seen.vm, vm);
    CHECK_EQ(seen.rb, rb);
    CHECK_EQ(seen.offset, page * rb->page_size);
    CHECK_EQ(seen.address, ram_page(rb, page));
    CHECK(seen.thread != gettid());
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 4);
    RAMBlock *first = vm->blocks[0], *second = vm_add_ram(vm, RAM_MEMFD_SHARED, 4);
    volatile uint8_t *read = ram_page(first, 2) + 123, *written = ram_page(second, 3) + 1;

    vm_setup(vm);
    CHECK_EQ(*read, ram_source(first, 2)[123]);
    check_seen(vm, first, 2);

    *written = 0;
    check_seen(vm, second, 3);
    CHECK_EQ(*written, 0);
    *written = ram_source(second, 3)[1];
    CHECK_PAGE(second, 3);
    CHECK_PAGE(first, 2);
    CHECK_EQ(vm->handled, 2);
    vm_end(vm);
    return 0;
}
