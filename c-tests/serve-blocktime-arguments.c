/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uffd_incoming_get_blocktime() accepts NULL arrays, and arrays shorter than the number of vCPUs. Without
 * UFFD_INCOMING_BLOCKTIME it fails.
 */
#include <errno.h>

#include "vm.h"

static int vcpu_index(MigrationIncomingState *vm, uint32_t thread_id)
{
    (void)vm;
    (void)thread_id;
    return 3;
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2);
    uint64_t faults[8] = { 99, 99, 99, 99, 99, 99, 99, 99 };
    UffdIncomingBlocktime report = { .size = sizeof(report) };

    CHECK_OK(postcopy_ram_incoming_setup(vm));
    CHECK_ERRNO(uffd_incoming_get_blocktime(vm, &report), -EINVAL);
    CHECK_EQ(report.vcpus, 0);
    CHECK_OK(uffd_incoming_cleanup(vm));

    vm->config.flags |= UFFD_INCOMING_BLOCKTIME;
    vm->config.vcpus = 4;
    vm->config.vcpu_index = vcpu_index;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    CHECK_PAGE(vm->blocks[0], 0);
    CHECK_OK(uffd_incoming_cleanup(vm));

    report.vcpus = 100;
    CHECK_OK(uffd_incoming_get_blocktime(vm, &report));
    CHECK_EQ(report.vcpus, 4);
    CHECK_EQ(report.faults_vcpu, 1);
    CHECK_EQ(report.size, sizeof(report));
    report.vcpus = 2;
    report.vcpu_faults = faults;
    CHECK_OK(uffd_incoming_get_blocktime(vm, &report));
    CHECK_EQ(report.vcpus, 4);
    CHECK_EQ(report.vcpu_faults, faults);
    CHECK_EQ(faults[0], 0);
    CHECK_EQ(faults[1], 0);
    CHECK_EQ(faults[2], 99);
    report.vcpus = 8;
    CHECK_OK(uffd_incoming_get_blocktime(vm, &report));
    CHECK_EQ(faults[3], 1);
    CHECK_EQ(faults[4], 99);

    report.size--;
    CHECK_ERRNO(uffd_incoming_get_blocktime(vm, &report), -EINVAL);
    vm_end(vm);
    return 0;
}
