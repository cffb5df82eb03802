/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A signal stops a vCPU that waits for a page, also while the load is paused: KVM_RUN fails with EINTR. Once the page
 * is in place, the vCPU continues where it was.
 */
#include "kvm-guest.h"

#define PAGES 16
#define LATE 7

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    if (offset == LATE * GUEST_PAGE) {
        return vm_serve_later(vm, rb, offset, fault_address);
    }
    return vm_serve_page(vm, rb, offset, fault_address);
}

static void check_stop(bool irqchip)
{
    MigrationIncomingState *vm = vm_with_ram(serve, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct guest *guest = guest_new(vm, irqchip);
    struct vcpu *vcpu = &guest->vcpus[0];

    vm_setup(vm);
    vcpu_visits_all(vcpu);
    vcpu_start(vcpu, -1, 0);
    AWAIT(vm->handled == LATE + 1);
    vcpu_stop(vcpu);
    CHECK_EQ(vcpu_visited(vcpu), LATE);

    CHECK_OK(uffd_incoming_pause(vm));
    vcpu_go_on(vcpu);
    let_wrong_things_happen();
    CHECK_EQ(vcpu_visited(vcpu), LATE);
    vcpu_stop(vcpu);
    CHECK_OK(uffd_incoming_resume(vm));

    vcpu_go_on(vcpu);
    vm_place(vm, rb, LATE);
    vcpu_finish(vcpu);
    CHECK_WALK(vcpu);
    guest_free(guest);
    vm_end(vm);
}

int main(void)
{
    check_stop(false);
    check_stop(true);
    return 0;
}
