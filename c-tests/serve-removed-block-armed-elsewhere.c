/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A fault was read from the userfaultfd, its block was removed, and another VM armed the same memory. The old fault
 * places nothing there: the other VM's pages come from its own handler.
 */
#include <semaphore.h>

#include "vm.h"

static atomic_uint entered;
static sem_t go_on;

/* Waits to be told to go on, on each page of the first block. */
static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (rb == vm->blocks[0]) {
        entered++;
        sem_wait(&go_on);
    }
    return vm_serve_page(vm, rb, offset, fault_address);
}

/* Faults are served in the order of their addresses. */
static void sort_blocks(MigrationIncomingState *vm)
{
    if (vm->blocks[0]->host > vm->blocks[1]->host) {
        RAMBlock *first = vm->blocks[1];

        vm->blocks[1] = vm->blocks[0];
        vm->blocks[0] = first;
    }
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, 4), *other = vm_new();
    struct toucher first, second, third;

    sem_init(&go_on, 0, 0);
    vm_add_ram(vm, RAM_ANON, 4);
    sort_blocks(vm);
    RAMBlock *ram = vm->blocks[0], *moved = vm->blocks[1];
    vm_setup(vm);

    /* While the handler is busy with the first page, two more faults queue, and are then read together. */
    touch_read(&first, ram_page(ram, 0));
    AWAIT(entered == 1);
    touch_read(&second, ram_page(ram, 1));
    touch_read(&third, ram_page(moved, 2));
    toucher_await_fault(&second);
    toucher_await_fault(&third);
    sem_post(&go_on);
    AWAIT(entered == 2);

    CHECK_OK(uffd_incoming_remove_ram_block(vm, moved));
    CHECK_EQ(toucher_finish(&third), 0);
    ram_discard(moved, 0, moved->pages);
    vm->block_count = 1;
    vm_attach(other);
    vm_add_block(other, moved);
    vm_setup(other);

    sem_post(&go_on);
    CHECK_EQ(toucher_finish(&first), *ram_source(ram, 0));
    CHECK_EQ(toucher_finish(&second), *ram_source(ram, 1));
    sem_post(&go_on);
    CHECK_PAGE(ram, 2);
    CHECK_EQ(other->handled, 0);
    CHECK_PAGE(moved, 2);
    CHECK_EQ(other->handled, 1);
    vm_end(vm);
    vm_end(other);
    return 0;
}
