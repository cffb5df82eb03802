/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_TRACK_DISCARDS, a page that is discarded after it was read from its source, and before it is
 * placed, becomes zeros. Without the flag it gets its data.
 */
#include <string.h>
#include <sys/mman.h>

#include "vm.h"

#define PAGES 16

static atomic_bool in_handler, may_place;
static size_t place_first, place_pages;

/* Has read its pages, and is slow to place them. */
static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    (void)offset;
    (void)fault_address;
    in_handler = true;
    AWAIT(may_place);
    return uffd_incoming_place_range(vm, rb, ram_page(rb, place_first), ram_source(rb, place_first),
                                     place_pages * rb->page_size);
}

/* Of shared RAM, what is behind it is discarded, too. */
static void discard(const RAMBlock *rb, enum ram_kind kind, size_t page, size_t pages)
{
    int advice = kind == RAM_MEMFD_SHARED || kind == RAM_HUGETLB_SHARED ? MADV_REMOVE : MADV_DONTNEED;

    ram_advise_discard(rb, page, pages, advice);
}

static void check_kind(enum ram_kind kind, uint64_t flags)
{
    const size_t pages = kind == RAM_HUGETLB_PRIVATE || kind == RAM_HUGETLB_SHARED ? 4 : PAGES;
    const bool tracked = flags != 0;
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.flags = (vm->config.flags & ~UFFD_INCOMING_TRACK_DISCARDS) | flags;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, kind, pages);
    in_handler = may_place = false;
    place_first = 0;
    place_pages = pages;
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    touch_read(&toucher, ram_page(ram, 1));
    AWAIT(in_handler);
    discard(ram, kind, 1, 2);
    AWAIT(vm_received(vm, ram, 1) == tracked);
    CHECK_EQ(vm_received(vm, ram, 3), 0);
    may_place = true;
    CHECK_EQ(toucher_finish(&toucher), tracked ? 0 : *ram_source(ram, 1));
    for (size_t page = 0; page < pages; page++) {
        if (tracked && (page == 1 || page == 2)) {
            CHECK_ZEROS(ram, page);
        } else {
            CHECK_PAGE(ram, page);
        }
    }
    vm_end(vm);
}

int main(void)
{
    for (enum ram_kind kind = 0; kind < RAM_KINDS; kind++) {
        check_kind(kind, UFFD_INCOMING_TRACK_DISCARDS);
    }
    check_kind(RAM_ANON, 0);
    return 0;
}
