/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_POISON, a page that the handler fails for gives SIGBUS to the threads that wait for it or touch
 * it later. Nothing pauses. Placing the page removes the poison, and so does discarding it once the source works.
 */
#include <errno.h>
#include <sys/mman.h>

#include "sigbus.h"
#include "vm.h"

#define PAGES 64
#define BAD 7
#define WAITERS 3

static atomic_bool source_is_back;
static atomic_uint waiting;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (offset / rb->page_size == BAD && !source_is_back) {
        AWAIT(waiting == WAITERS);
        return -EIO;
    }
    return vm_serve_page(vm, rb, offset, fault_address);
}

static void check_others(const RAMBlock *ram)
{
    for (size_t page = 0; page < PAGES; page++) {
        if (page != BAD) {
            CHECK_PAGE(ram, page);
        }
    }
}

static uint64_t pages_poisoned_now(MigrationIncomingState *vm, RAMBlock *ram)
{
    UffdIncomingBlockStats stats = { .size = sizeof(stats) };

    CHECK_OK(uffd_incoming_get_block_stats(vm, ram, &stats));
    return stats.pages_poisoned;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    struct sigbus_toucher touchers[WAITERS];

    need_poison();
    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, PAGES);
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    for (int i = 0; i < WAITERS; i++) {
        sigbus_touch(&touchers[i], ram_page(ram, BAD) + 100 * i);
        waiting++;
    }
    for (int i = 0; i < WAITERS; i++) {
        CHECK(sigbus_finish(&touchers[i]));
    }
    check_others(ram);
    CHECK_SIGBUS(ram, BAD);
    CHECK_EQ(vm_received(vm, ram, BAD), 0);
    AWAIT(vm_stats(vm).pages_poisoned == 1);
    CHECK_EQ(pages_poisoned_now(vm, ram), 1);
    CHECK(vm_stats(vm).source_errors >= 1);
    CHECK(vm_events(vm, UFFD_INCOMING_EVENT_SOURCE_ERROR, -EIO) >= 1);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, -EIO), 0);
    CHECK_EQ(vm_stats(vm).paused, 0);

    /* Zeros are no less a page. */
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, BAD)));
    CHECK_EQ(vm_received(vm, ram, BAD), 1);
    CHECK_ZEROS(ram, BAD);
    CHECK_EQ(pages_poisoned_now(vm, ram), 0);
    CHECK_EQ(vm_stats(vm).pages_poisoned, 1);
    CHECK_OK(uffd_incoming_cleanup(vm));

    /* Data heals, too. */
    ram_discard(ram, 0, PAGES);
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    CHECK_SIGBUS(ram, BAD);
    vm_place(vm, ram, BAD);
    CHECK_PAGE(ram, BAD);
    CHECK_EQ(vm_received(vm, ram, BAD), 1);
    CHECK_OK(uffd_incoming_cleanup(vm));

    /* What is discarded is asked for anew; or it is zeros, if that is tracked. */
    ram_discard(ram, 0, PAGES);
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    CHECK_SIGBUS(ram, BAD);
    source_is_back = true;
    CHECK_SIGBUS(ram, BAD);
    ram_discard(ram, BAD, 1);
    if (vm->config.flags & UFFD_INCOMING_TRACK_DISCARDS) {
        CHECK_ZEROS(ram, BAD);
    } else {
        CHECK_PAGE(ram, BAD);
    }
    CHECK_OK(uffd_incoming_cleanup(vm));

    /* What is poisoned at the end stays so. */
    ram_discard(ram, 0, PAGES);
    source_is_back = false;
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    CHECK_SIGBUS(ram, BAD);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_SIGBUS(ram, BAD);
    CHECK_ZEROS(ram, BAD - 1);

    /* Until it is placed in a later set-up. */
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    CHECK_SIGBUS(ram, BAD);
    CHECK_OK(uffd_incoming_place_zero_page(vm, ram, ram_page(ram, BAD)));
    CHECK_EQ(vm_received(vm, ram, BAD), 1);
    CHECK_ZEROS(ram, BAD);
    CHECK_OK(uffd_incoming_cleanup(vm));
    vm_end(vm);
    return 0;
}
