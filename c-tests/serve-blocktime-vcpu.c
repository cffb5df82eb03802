/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A vCPU's blocktime is at least as long as the handler took, and at most as long as the access took. Faults of other
 * threads are counted apart. Blocktime stays readable after cleanup.
 */
#include <errno.h>
#include <time.h>

#include "vm.h"

#define HANDLER_NS 20000000

static struct toucher vcpu;

static int vcpu_index(MigrationIncomingState *vm, uint32_t thread_id)
{
    (void)vm;
    return thread_id == (uint32_t)vcpu.tid ? 1 : -1;
}

static int serve_slowly(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    nanosleep(&(struct timespec) { .tv_nsec = HANDLER_NS }, NULL);
    return vm_serve_page(vm, rb, offset, fault_address);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t ns[2], faults[2], latency[2];

static UffdIncomingBlocktime blocktime(MigrationIncomingState *vm)
{
    UffdIncomingBlocktime report = {
        .size = sizeof(report),
        .vcpus = 2,
        .vcpu_ns = ns,
        .vcpu_faults = faults,
        .vcpu_latency_ns = latency,
    };

    CHECK_OK(uffd_incoming_get_blocktime(vm, &report));
    CHECK_EQ(report.vcpus, 2);
    return report;
}

#define CHECK_BETWEEN(low, value, high) \
    do { \
        uint64_t low_ = (low), value_ = (value), high_ = (high); \
        if (value_ < low_ || value_ > high_) { \
            FAIL("expected %s within %ju .. %ju, saw %ju", #value, low_, high_, value_); \
        } \
    } while (0)

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_BLOCKTIME;
    vm->config.vcpus = 2;
    vm->config.vcpu_index = vcpu_index;
    vm->config.page_handler = serve_slowly;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 2);
    CHECK_OK(postcopy_ram_incoming_setup(vm));

    uint64_t start = now_ns();
    touch_read(&vcpu, ram_page(ram, 0));
    toucher_finish(&vcpu);
    AWAIT(blocktime(vm).faults_vcpu == 1);
    uint64_t took = now_ns() - start;
    CHECK_BETWEEN(HANDLER_NS, ns[1], took);
    CHECK_BETWEEN(HANDLER_NS, latency[1], took);
    CHECK_BETWEEN(HANDLER_NS, blocktime(vm).latency_ns_vcpu, took);
    CHECK_EQ(faults[1], 1);
    CHECK_EQ(ns[0] + faults[0] + latency[0], 0);
    CHECK_EQ(blocktime(vm).total_ns, 0); /* vCPU 0 never waited */
    CHECK_EQ(blocktime(vm).faults_other, 0);

    start = now_ns();
    CHECK_PAGE(ram, 1);
    AWAIT(blocktime(vm).faults_other == 1);
    CHECK_BETWEEN(HANDLER_NS, blocktime(vm).latency_ns_other, now_ns() - start);
    CHECK_EQ(blocktime(vm).faults_vcpu, 1);

    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(blocktime(vm).faults_vcpu, 1);
    CHECK_BETWEEN(HANDLER_NS, ns[1], took);
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    CHECK_EQ(blocktime(vm).faults_vcpu, 0);
    CHECK_EQ(ns[1], 0);
    vm_end(vm);
    return 0;
}
