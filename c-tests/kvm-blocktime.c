/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Blocktime of vCPUs of KVM. Their faults are those of their threads. With KVM's interrupt controller, page faults
 * are asynchronous: they come from kernel workers, and count as faults of other threads.
 */
#include "kvm-guest.h"

#define PAGES 10 /* for each vCPU */
#define HANDLER_NS 5000000

static struct guest *guest;

static int vcpu_index(MigrationIncomingState *vm, uint32_t thread_id)
{
    (void)vm;
    for (int i = 0; i < GUEST_VCPUS; i++) {
        if (thread_id == (uint32_t)guest->vcpus[i].tid) {
            return i;
        }
    }
    return -1;
}

static int serve_slowly(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    usleep(HANDLER_NS / 1000);
    return vm_serve_page(vm, rb, offset, fault_address);
}

static void check_blocktime(bool irqchip)
{
    MigrationIncomingState *vm = vm_new();
    uint64_t ns[GUEST_VCPUS], faults[GUEST_VCPUS];
    UffdIncomingBlocktime report = {
        .size = sizeof(report), .vcpus = GUEST_VCPUS, .vcpu_ns = ns, .vcpu_faults = faults
    };

    vm->config.flags |= UFFD_INCOMING_BLOCKTIME;
    vm->config.vcpus = GUEST_VCPUS;
    vm->config.vcpu_index = vcpu_index;
    vm->config.page_handler = serve_slowly;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, GUEST_VCPUS * PAGES);
    guest = guest_new(vm, irqchip);
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    for (size_t page = 0; page < rb->pages; page++) {
        vcpu_visits(&guest->vcpus[page / PAGES], rb, page * GUEST_PAGE);
    }
    for (unsigned i = 0; i < GUEST_VCPUS; i++) {
        vcpu_start(&guest->vcpus[i], host_cpu(i), 0);
    }
    for (unsigned i = 0; i < GUEST_VCPUS; i++) {
        vcpu_finish(&guest->vcpus[i]);
        CHECK_WALK(&guest->vcpus[i]);
    }
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_OK(uffd_incoming_get_blocktime(vm, &report));
    CHECK_EQ(report.faults_vcpu, irqchip ? 0 : GUEST_VCPUS * PAGES);
    CHECK_EQ(report.faults_other, irqchip ? GUEST_VCPUS * PAGES : 0);
    for (unsigned i = 0; i < GUEST_VCPUS; i++) {
        CHECK_EQ(faults[i], irqchip ? 0 : PAGES);
        CHECK(irqchip ? ns[i] == 0 : ns[i] >= (uint64_t)PAGES * HANDLER_NS);
    }
    guest_free(guest);
    vm_end(vm);
}

int main(void)
{
    check_blocktime(false);
    check_blocktime(true);
    return 0;
}
