/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uffd_incoming_foreach_requested() lists the pages that were requested and not placed yet. */
#include "vm.h"

#define PAGES 4

static struct {
    RAMBlock *rb;
    ram_addr_t offset;
} listed[2 * PAGES];
static unsigned listed_count;
static pthread_t caller;

static int list(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *opaque)
{
    CHECK(pthread_equal(pthread_self(), caller));
    CHECK_EQ(opaque, vm);
    CHECK(listed_count < 2 * PAGES);
    listed[listed_count].rb = rb;
    listed[listed_count].offset = offset;
    listed_count++;
    return 0;
}

static int stop_at_second(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *opaque)
{
    (void)vm;
    (void)rb;
    (void)offset;
    return ++*(unsigned *)opaque == 2 ? 77 : 0;
}

static int place(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *opaque)
{
    (void)opaque;
    return uffd_incoming_place_page(vm, rb, rb->host + offset, rb->source + offset);
}

static bool is_listed(const RAMBlock *rb, size_t page)
{
    for (unsigned i = 0; i < listed_count; i++) {
        if (listed[i].rb == rb && listed[i].offset == page * rb->page_size) {
            return true;
        }
    }
    return false;
}

static void check_list(MigrationIncomingState *vm, unsigned expected)
{
    listed_count = 0;
    CHECK_OK(uffd_incoming_foreach_requested(vm, list, vm));
    CHECK_EQ(listed_count, expected);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(vm_serve_later, PAGES);
    RAMBlock *first = vm->blocks[0], *second = vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    struct toucher touchers[4];
    unsigned calls = 0;

    caller = pthread_self();
    vm_setup(vm);
    check_list(vm, 0);
    touch_read(&touchers[0], ram_page(first, 0));
    touch_read(&touchers[1], ram_page(first, 3));
    touch_write(&touchers[2], ram_page(second, 2) + 7, 1);
    touch_read(&touchers[3], ram_page(second, 2) + 8);
    AWAIT(vm_stats(vm).faults == 4 && vm_stats(vm).pages_requested == 3);
    CHECK_OK(uffd_incoming_pause(vm));
    check_list(vm, 3);
    CHECK(is_listed(first, 0));
    CHECK(is_listed(first, 3));
    CHECK(is_listed(second, 2));
    CHECK_EQ(uffd_incoming_foreach_requested(vm, stop_at_second, &calls), 77);
    CHECK_EQ(calls, 2);

    CHECK_OK(uffd_incoming_place_zero_page(vm, first, ram_page(first, 3)));
    check_list(vm, 2);
    CHECK(!is_listed(first, 3));
    CHECK_OK(uffd_incoming_foreach_requested(vm, place, NULL));
    check_list(vm, 0);
    for (unsigned i = 0; i < 4; i++) {
        toucher_finish(&touchers[i]);
    }
    CHECK_PAGE(first, 0);
    CHECK_ZEROS(first, 3);
    vm_end(vm);
    return 0;
}
