/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uffd_incoming_get_block_stats() tells of each RAM block by itself: who waits there and for how long, what was asked for, and what
 * has come.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vm.h"

#define PAGES 8

static UffdIncomingBlockStats block_stats(MigrationIncomingState *vm, RAMBlock *rb)
{
    UffdIncomingBlockStats stats = { .size = sizeof(stats) };

    CHECK_OK(uffd_incoming_get_block_stats(vm, rb, &stats));
    CHECK_EQ(stats.size, sizeof(stats));
    CHECK_EQ(stats.length, rb->length);
    CHECK_EQ(stats.page_size, rb->page_size);
    CHECK_EQ(stats.pages_poisoned, 0);
    CHECK((stats.threads_waiting == 0) == (stats.oldest_wait_ns == 0));
    return stats;
}

static void check(MigrationIncomingState *vm, RAMBlock *rb, uint64_t received, uint64_t requested, uint64_t waiting)
{
    const UffdIncomingBlockStats stats = block_stats(vm, rb);

    CHECK_EQ(stats.bytes_received, received * rb->page_size);
    CHECK_EQ(stats.pages_requested, requested);
    CHECK_EQ(stats.threads_waiting, waiting);
}

static void check_errors(MigrationIncomingState *vm, RAMBlock *rb)
{
    UffdIncomingBlockStats stats;

    memset(&stats, 0x55, sizeof(stats));
    const UffdIncomingBlockStats before = stats;
    CHECK_ERRNO(uffd_incoming_get_block_stats(vm, (RAMBlock *)&stats, &stats), -ENOENT);
    CHECK_ERRNO(uffd_incoming_get_block_stats(vm, NULL, &stats), -EINVAL);
    CHECK_ERRNO(uffd_incoming_get_block_stats(NULL, rb, &stats), -EINVAL);
    CHECK_ERRNO(uffd_incoming_get_block_stats(vm, rb, NULL), -EINVAL);
    CHECK(memcmp(&stats, &before, sizeof(stats)) == 0);
    stats.size = sizeof(stats) - 1;
    CHECK_ERRNO(uffd_incoming_get_block_stats(vm, rb, &stats), -EINVAL);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(vm_serve_later, PAGES);
    RAMBlock *first = vm->blocks[0], *second = vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    struct toucher touchers[3];

    check(vm, first, 0, 0, 0); /* not armed yet */
    vm_setup(vm);
    touch_read(&touchers[0], ram_page(second, 1));
    AWAIT(vm_stats(vm).pages_requested == 1);
    const uint64_t waited = block_stats(vm, second).oldest_wait_ns;
    usleep(2000);
    CHECK(block_stats(vm, second).oldest_wait_ns >= waited + 2000000);
    touch_read(&touchers[1], ram_page(second, 1) + 1);
    touch_read(&touchers[2], ram_page(second, PAGES - 1));
    AWAIT(vm_stats(vm).faults == 3 && vm_stats(vm).pages_requested == 2);
    check(vm, first, 0, 0, 0);
    check(vm, second, 0, 2, 3);

    CHECK_OK(uffd_incoming_place_page(vm, second, ram_page(second, 1), second->source + second->page_size));
    check(vm, second, 1, 1, 1);
    CHECK_OK(uffd_incoming_place_zero_page(vm, first, ram_page(first, 0)));
    CHECK_OK(uffd_incoming_mark_received(vm, first, 2 * first->page_size, 3 * first->page_size));
    check(vm, first, 4, 0, 0);
    CHECK_OK(uffd_incoming_place_zero_page(vm, second, ram_page(second, PAGES - 1)));
    for (unsigned i = 0; i < 3; i++) {
        toucher_finish(&touchers[i]);
    }
    check_errors(vm, first);

    check(vm, second, 2, 0, 0);
    CHECK_OK(uffd_incoming_cleanup(vm));
    check(vm, second, 0, 0, 0);
    CHECK_OK(uffd_incoming_remove_ram_block(vm, second));
    CHECK_ERRNO(uffd_incoming_get_block_stats(vm, second, &(UffdIncomingBlockStats){ .size = sizeof(UffdIncomingBlockStats) }),
                -ENOENT);
    vm_end(vm);
    return 0;
}
