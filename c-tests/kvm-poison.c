/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_POISON, a KVM guest touches a poisoned page. The vCPU's thread gets SIGBUS with BUS_MCEERR_AR
 * and the page's address, and each KVM_RUN fails with EINTR until the page is in place. An access that KVM emulates
 * for the guest ends in KVM_EXIT_MMIO at the page's guest address. The rest of the guest goes on.
 */
#include <errno.h>

#include "kvm-guest.h"
#include "sigbus.h"

#define PAGES 16
#define BAD 7
#define TIMES 3

static unsigned told;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    return offset == BAD * GUEST_PAGE ? -EIO : vm_serve_page(vm, rb, offset, fault_address);
}

/* Places the page when it has been asked for often enough. */
static bool on_poison(struct vcpu *vcpu, void *address)
{
    MigrationIncomingState *vm = vcpu->guest->vm;
    RAMBlock *rb = vm->blocks[0];

    CHECK_EQ((uint8_t *)address, ram_page(rb, BAD));
    CHECK_EQ(vcpu_visited(vcpu), BAD);
    told++;
    if (vcpu->mmio > 0 || told == TIMES) {
        vm_place(vm, rb, BAD);
    }
    return true;
}

/* The other vCPU never sees that page. */
static void visit_others(struct vcpu *vcpu, RAMBlock *rb)
{
    for (size_t page = 0; page < PAGES; page++) {
        if (page != BAD) {
            vcpu_visits(vcpu, rb, page * GUEST_PAGE);
        }
    }
}

static void check_poison(bool irqchip, bool emulate)
{
    MigrationIncomingState *vm = vm_new();

    told = 0;
    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct guest *guest = guest_new(vm, irqchip);
    struct vcpu *vcpu = &guest->vcpus[0], *other = &guest->vcpus[1];

    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    if (emulate) {
        vcpu_emulate(vcpu);
    }
    vcpu->on_poison = on_poison;
    vcpu_visits_all(vcpu);
    visit_others(other, rb);
    vcpu_start(vcpu, host_cpu(0), 0);
    vcpu_start(other, host_cpu(1), 0);
    vcpu_finish(other);
    CHECK_WALK(other);
    vcpu_finish(vcpu);
    CHECK_WALK(vcpu);
    CHECK_EQ(vcpu->sigbus + vcpu->mmio, told);
    CHECK(vcpu->sigbus == TIMES || (emulate && vcpu->mmio == 1));
    CHECK_EQ(vm_stats(vm).pages_poisoned, 1);
    CHECK_EQ(vm_received(vm, rb, BAD), 1);
    guest_free(guest);
    vm_end(vm);
}

int main(void)
{
    need_poison();
    guest_handle_sigbus();
    check_poison(false, false);
    check_poison(true, false);
    check_poison(false, true);
    return 0;
}
