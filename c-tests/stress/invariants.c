/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "invariants.h"

#include "counters.h"
#include "watch.h"

static void check_blocktime(struct machine *machine)
{
    uint64_t waited[16] = { 0 }, faults[16] = { 0 }, latency[16] = { 0 };
    UffdIncomingBlocktime blocktime = {
        .size = sizeof(blocktime),
        .vcpus = 16,
        .vcpu_ns = waited,
        .vcpu_faults = faults,
        .vcpu_latency_ns = latency,
    };

    CHECK_OK(uffd_incoming_get_blocktime(&machine->vm, &blocktime));
    const uint64_t longest = (uint64_t)watch_time() * 1000 + 1000;
    uint64_t sum = 0;
    CHECK_EQ(blocktime.vcpus, machine->plan->touchers);
    CHECK(blocktime.total_ns <= longest);
    for (unsigned i = 0; i < blocktime.vcpus; i++) {
        CHECK(waited[i] <= longest);
        CHECK(latency[i] <= longest);
        sum += faults[i];
    }
    CHECK(blocktime.faults_vcpu <= sum); /* which has been read later, if they were read one by one */
}

static bool keeps_blocktime(const struct machine *machine)
{
    return (machine->plan->flags & UFFD_INCOMING_BLOCKTIME) && (machine->plan->load || machine->plan->by_configuration);
}

void check_invariants(struct machine *machine, UffdIncomingStats *last)
{
    const UffdIncomingStats now = vm_stats(&machine->vm);

    CHECK(now.faults >= last->faults);
    CHECK(now.pages_placed >= last->pages_placed);
    CHECK(now.zero_pages_placed >= last->zero_pages_placed);
    CHECK(now.pages_requested >= last->pages_requested);
    CHECK(now.source_errors >= last->source_errors);
    CHECK(now.bytes_loaded >= last->bytes_loaded);
    CHECK(now.bytes_loaded <= now.bytes_total);
    CHECK(now.complete >= last->complete);
    CHECK(now.pages_poisoned >= last->pages_poisoned);
    CHECK(now.pages_poisoned == 0 || machine->plan->flags & UFFD_INCOMING_POISON);
    /* None where all RAM is mapped. */
    CHECK(now.fault_threads == machine->plan->fault_threads || (now.fault_threads == 0 && machine->plan->map_private));
    *last = now;
    if (keeps_blocktime(machine)) {
        check_blocktime(machine);
    }
}

void check_invariants_at_end(struct machine *machine, bool complete)
{
    const UffdIncomingStats stats = vm_stats(&machine->vm);
    uint64_t pages = 0, bytes = 0;

    for (unsigned i = 0; i < machine->plan->block_count; i++) {
        pages += machine->memories[i].rb->pages;
        bytes += machine->memories[i].rb->length;
    }
    CHECK(waits_that_ended(&stats) <= stats.faults + machine->messages);
    CHECK(stats.bytes_read_on_demand <= stats.bytes_read_cached + stats.bytes_read_waiting);
    if (machine->plan->load) {
        CHECK_EQ(stats.complete, complete);
        CHECK_EQ(stats.bytes_total, bytes);
        CHECK_EQ(stats.bytes_loaded == bytes, complete);
        CHECK_EQ(machine->complete_events, complete);
        CHECK(complete || stats.pages_poisoned > 0);
    }
    /* Never twice: only in a load whose discards are not tracked may a page have come again. */
    if (!machine->plan->load || machine_tracks(machine)) {
        CHECK(stats.pages_placed <= pages);
    }
    counters.faults += stats.faults;
    counters.mapped_loads += stats.bytes_mapped > 0;
}
