/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A RAM block is removed from an armed mis. Threads that wait in it go on, its missing pages read as zeros, and no
 * callback gets it any more. The other blocks are served as before.
 */
#include <errno.h>

#include "vm.h"

static RAMBlock *removed;
static atomic_uint asked;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (rb == removed) {
        asked++;
        return 0;
    }
    return vm_serve_page(vm, rb, offset, fault_address);
}

static int not_removed(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *opaque)
{
    (void)vm;
    (void)offset;
    (void)opaque;
    CHECK(rb != removed);
    return 0;
}

static void check_removed(enum ram_kind kind, unsigned fault_threads)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    asked = 0;
    vm->config.page_handler = serve;
    vm->config.fault_threads = fault_threads;
    vm_attach(vm);
    RAMBlock *other = vm_add_ram(vm, RAM_ANON, 4);
    removed = vm_add_ram(vm, kind, 4);
    vm_setup(vm);
    touch_read(&toucher, ram_page(removed, 1));
    AWAIT(asked == 1);
    CHECK_WAITS(&toucher);
    vm_place(vm, removed, 0);

    CHECK_OK(uffd_incoming_remove_ram_block(vm, removed));
    CHECK_EQ(toucher_finish(&toucher), 0);
    CHECK_PAGE(removed, 0);
    for (size_t page = 1; page < 4; page++) {
        CHECK_ZEROS(removed, page);
        CHECK_PAGE(other, page);
    }
    CHECK_EQ(asked, 1);
    CHECK_OK(uffd_incoming_foreach_requested(vm, not_removed, NULL));
    CHECK_ERRNO(uffd_incoming_remove_ram_block(vm, removed), -ENOENT);
    CHECK_ERRNO(uffd_incoming_place_page(vm, removed, removed->host, removed->source), -ENOENT);
    CHECK_ERRNO(uffd_incoming_page_received(vm, removed, 0), -ENOENT);

    /* The last one may go too. */
    CHECK_OK(uffd_incoming_remove_ram_block(vm, other));
    CHECK_ZEROS(other, 0);
    vm_end(vm);
}

int main(void)
{
    check_removed(RAM_ANON, 1);
    check_removed(RAM_MEMFD_SHARED, 1);
    check_removed(RAM_ANON, 2);
    return 0;
}
