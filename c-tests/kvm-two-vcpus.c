/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Two vCPUs, each pinned to a CPU, write every second page and read it while the other one does the same. The handler
 * is asked for each page once, and no write is lost.
 */
#include "kvm-guest.h"

#define PAGES 4096
#define FLIP 0x01020304u

static void check_vcpus(bool irqchip)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct guest *guest = guest_new(vm, irqchip);
    vm_setup(vm);
    for (size_t page = 0; page < PAGES; page++) {
        vcpu_visits(&guest->vcpus[page % 2], rb, page * GUEST_PAGE);
    }
    for (unsigned i = 0; i < GUEST_VCPUS; i++) {
        vcpu_start(&guest->vcpus[i], host_cpu(i), FLIP);
    }
    for (unsigned i = 0; i < GUEST_VCPUS; i++) {
        vcpu_finish(&guest->vcpus[i]);
        CHECK_FLIPPED_WALK(&guest->vcpus[i], FLIP);
    }
    CHECK_EQ(vm->handled, PAGES);

    /* Each sees what the other one has written; and so does the host. */
    for (unsigned i = 0; i < GUEST_VCPUS; i++) {
        vcpu_stays(&guest->vcpus[i]);
        vcpu_visits_all(&guest->vcpus[i]);
        vcpu_start(&guest->vcpus[i], host_cpu(i), 0);
    }
    for (unsigned i = 0; i < GUEST_VCPUS; i++) {
        vcpu_finish(&guest->vcpus[i]);
        CHECK_FLIPPED_WALK(&guest->vcpus[i], FLIP);
    }
    for (size_t page = 0; page < PAGES; page++) {
        *(uint32_t *)(void *)ram_page(rb, page) ^= FLIP;
        CHECK_PAGE(rb, page);
    }
    CHECK_EQ(vm->handled, PAGES);
    guest_free(guest);
    vm_end(vm);
}

int main(void)
{
    check_vcpus(false);
    check_vcpus(true);
    return 0;
}
