/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * UFFD_INCOMING_USER_MODE_ONLY is not for KVM. KVM_RUN fails with EFAULT when the guest touches a missing page. With
 * KVM's interrupt controller, KVM retries until a signal comes. In both cases the guest continues once the page is in
 * place.
 */
#include <errno.h>

#include "kvm-guest.h"

#define PAGES 16
#define PRESENT 5

static void check_guest(bool irqchip)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_USER_MODE_ONLY;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct guest *guest = guest_new(vm, irqchip);
    struct vcpu *vcpu = &guest->vcpus[0];

    vm_setup(vm);
    for (size_t page = 0; page < PRESENT; page++) {
        CHECK_PAGE(rb, page);
    }
    vcpu_visits_all(vcpu);
    vcpu_start(vcpu, -1, 0);
    AWAIT(vcpu_visited(vcpu) == PRESENT);
    if (irqchip) {
        let_wrong_things_happen();
        CHECK(!vcpu->ended);
        vcpu_stop(vcpu);
    } else {
        vcpu_finish(vcpu);
        CHECK_EQ(vcpu->error, EFAULT);
    }
    CHECK_EQ(vcpu_visited(vcpu), PRESENT);
    CHECK_EQ(vm->handled, PRESENT);

    for (size_t page = PRESENT; page < PAGES; page++) {
        CHECK_PAGE(rb, page);
    }
    vcpu_go_on(vcpu);
    vcpu_finish(vcpu);
    CHECK_WALK(vcpu);
    guest_free(guest);
    vm_end(vm);
}

int main(void)
{
    check_guest(false);
    check_guest(true);
    return 0;
}
