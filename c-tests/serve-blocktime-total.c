/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The total blocktime counts only while all vCPUs wait at once, for different pages or for the same page. */
#include <time.h>

#include "vm.h"

static struct toucher vcpus[2];

static int vcpu_index(MigrationIncomingState *vm, uint32_t thread_id)
{
    (void)vm;
    for (int i = 0; i < 2; i++) {
        if (thread_id == (uint32_t)vcpus[i].tid) {
            return i;
        }
    }
    return -1;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static UffdIncomingBlocktime blocktime(MigrationIncomingState *vm, uint64_t *ns)
{
    UffdIncomingBlocktime report = { .size = sizeof(report), .vcpus = 2, .vcpu_ns = ns };

    CHECK_OK(uffd_incoming_get_blocktime(vm, &report));
    return report;
}

static void check_overlap(size_t page_of_second)
{
    const uint64_t alone_ns = 20000000, together_ns = 20000000;
    MigrationIncomingState *vm = vm_new();
    uint64_t ns[2];

    vm->config.flags |= UFFD_INCOMING_BLOCKTIME;
    vm->config.vcpus = 2;
    vm->config.vcpu_index = vcpu_index;
    vm->config.page_handler = vm_serve_later;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 2);
    CHECK_OK(postcopy_ram_incoming_setup(vm));

    touch_read(&vcpus[0], ram_page(ram, 0));
    AWAIT(vm->handled == 1);
    usleep(alone_ns / 1000);
    CHECK_EQ(blocktime(vm, ns).total_ns, 0);

    uint64_t start = now_ns();
    touch_read(&vcpus[1], ram_page(ram, page_of_second) + 5);
    AWAIT(vm_stats(vm).faults == 2);
    usleep(together_ns / 1000);
    vm_place(vm, ram, 0);
    vm_place(vm, ram, 1);
    toucher_finish(&vcpus[0]);
    toucher_finish(&vcpus[1]);
    AWAIT(blocktime(vm, ns).faults_vcpu == 2);
    uint64_t took = now_ns() - start;

    uint64_t total = blocktime(vm, ns).total_ns;
    /* vCPU 1's wait may begin a little after its fault was counted, on a busy machine: half will do. */
    if (total < together_ns / 2 || total > took || total > ns[1]) {
        FAIL("expected a total of %ju .. %ju and no more than vCPU 1's %ju, saw %ju", together_ns / 2, took,
             ns[1], total);
    }
    if (ns[0] < alone_ns + together_ns || ns[1] > took) {
        FAIL("expected vCPU 0 to have waited %ju or more and vCPU 1 at most %ju, saw %ju and %ju",
             alone_ns + together_ns, took, ns[0], ns[1]);
    }
    vm_end(vm);
}

int main(void)
{
    check_overlap(1);
    check_overlap(0);
    return 0;
}
