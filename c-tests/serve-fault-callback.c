/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The fault callback is told of each fault before its page is requested: block, offset, address and the thread that
 * waits. A caller whose struct ends before that field is not called.
 */
#define _GNU_SOURCE
#include "thread.h"
#include "vm.h"

enum { PAGES = 8 };

static struct {
    _Atomic int count;
    _Atomic(MigrationIncomingState *) vm;
    _Atomic(RAMBlock *) rb;
    _Atomic ram_addr_t offset;
    _Atomic(void *) address;
    _Atomic uint32_t thread;
    _Atomic int handled_before;
} seen;

static void fault(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *address, uint32_t thread)
{
    seen.vm = vm;
    seen.rb = rb;
    seen.offset = offset;
    seen.address = address;
    seen.thread = thread;
    seen.handled_before = vm->handled;
    seen.count++;
}

static void check_told(MigrationIncomingState *vm, RAMBlock *rb, size_t page, int count)
{
    CHECK_PAGE(rb, page);
    CHECK_EQ(seen.count, count);
    CHECK_EQ(seen.vm, vm);
    CHECK_EQ(seen.rb, rb);
    CHECK_EQ(seen.offset, page * rb->page_size);
    CHECK_EQ(seen.address, ram_page(rb, page));
    CHECK_EQ(seen.thread, gettid());
    CHECK_EQ(seen.handled_before, count - 1);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(vm_serve_page, PAGES);
    RAMBlock *first = vm->blocks[0], *second = vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);

    vm->config.fault = fault;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    vm_setup(vm);
    check_told(vm, first, 2, 1);
    check_told(vm, second, PAGES - 1, 2);
    /* A page that is there is no fault. */
    CHECK_PAGE(first, 2);
    CHECK_EQ(seen.count, 2);
    vm_end(vm);

    vm = vm_with_ram(vm_serve_page, PAGES);
    vm->config.fault = fault;
    vm->config.size = offsetof(UffdIncomingConfig, fault);
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    vm_setup(vm);
    CHECK_PAGE(vm->blocks[0], 1);
    CHECK_EQ(seen.count, 2);
    vm_end(vm);
    return 0;
}
