/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Each counter counts what its name says. The latency histogram holds each served fault in its bucket. */
#include <time.h>

#include "vm.h"

#define FAST 16
#define SLOW_NS 5000000

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (offset == FAST * rb->page_size) {
        nanosleep(&(struct timespec) { .tv_nsec = SLOW_NS }, NULL);
    }
    if (offset == 0) {
        vm->handled++;
        return uffd_incoming_place_zero_page(vm, rb, rb->host);
    }
    return vm_serve_page(vm, rb, offset, fault_address);
}

static uint64_t served(MigrationIncomingState *vm)
{
    const UffdIncomingStats stats = vm_stats(vm);

    return waits_that_ended(&stats);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(serve, FAST + 3);
    RAMBlock *ram = vm->blocks[0];

    vm_setup(vm);
    CHECK_EQ(served(vm), 0);
    CHECK_ZEROS(ram, 0);
    for (size_t page = 1; page <= FAST; page++) {
        CHECK_PAGE(ram, page);
    }
    vm_place(vm, ram, FAST + 1);
    CHECK_OK(uffd_incoming_mark_received(vm, ram, (FAST + 2) * ram->page_size, ram->page_size));
    CHECK_ZEROS(ram, FAST + 2);
    AWAIT(served(vm) == FAST + 2);

    UffdIncomingStats stats = vm_stats(vm);
    CHECK_EQ(stats.faults, FAST + 2);
    CHECK_EQ(stats.pages_requested, FAST + 1);
    CHECK_EQ(stats.pages_placed, FAST + 1);
    CHECK_EQ(stats.zero_pages_placed, 2);
    CHECK_EQ(stats.source_errors, 0);
    CHECK_EQ(stats.pages_poisoned, 0);
    CHECK_EQ(stats.bytes_total, 0);
    CHECK_EQ(stats.bytes_loaded, 0);
    CHECK_EQ(stats.complete, 0);

    /* 5 ms are 2^12 us .. 2^13 us, bucket 13, unless the machine is busy. */
    uint64_t slow = 0;
    for (unsigned i = 13; i < 24; i++) {
        slow += stats.fault_latency_buckets[i];
    }
    CHECK(slow >= 1);
    CHECK(stats.fault_latency_ns_sum >= SLOW_NS);
    vm_end(vm);
    return 0;
}
