/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A VMM without a SIGBUS handler, whose guest touches a poisoned page. By default the VMM dies. If it ignores or
 * blocks the signal, KVM_RUN does not return until the page is in place or another signal comes. The guest sees no
 * zeros.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kvm-guest.h"
#include "sigbus.h"

#define PAGES 16
#define BAD 7

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    return offset == BAD * GUEST_PAGE ? -EIO : vm_serve_page(vm, rb, offset, fault_address);
}

static struct vcpu *start(struct guest **guest)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, PAGES);
    *guest = guest_new(vm, false);
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    vcpu_visits_all(&(*guest)->vcpus[0]);
    vcpu_start(&(*guest)->vcpus[0], -1, 0);
    return &(*guest)->vcpus[0];
}

static void check_death(void)
{
    const struct rlimit no_core = { 0 };
    struct guest *guest;
    int status;
    const pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(setrlimit(RLIMIT_CORE, &no_core), 0);
        vcpu_finish(start(&guest));
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGBUS);
}

static void check_no_return(void)
{
    struct guest *guest;
    struct vcpu *vcpu = start(&guest);
    MigrationIncomingState *vm = guest->vm;

    AWAIT(vm_stats(vm).pages_poisoned == 1);
    let_wrong_things_happen();
    CHECK(!vcpu->ended);
    CHECK_EQ(vcpu_visited(vcpu), BAD);
    vcpu_stop(vcpu);
    CHECK_EQ(vcpu_visited(vcpu), BAD);
    vcpu_go_on(vcpu);
    let_wrong_things_happen();
    vm_place(vm, vm->blocks[0], BAD);
    vcpu_finish(vcpu);
    CHECK_WALK(vcpu);
    guest_free(guest);
    vm_end(vm);
}

static void need_kvm(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 1);

    guest_free(guest_new(vm, false));
    vm_end(vm);
}

int main(void)
{
    sigset_t set;

    need_poison();
    need_kvm();
    check_death();

    CHECK(signal(SIGBUS, SIG_IGN) != SIG_ERR);
    check_no_return();

    CHECK(signal(SIGBUS, SIG_DFL) != SIG_ERR);
    CHECK_EQ(sigemptyset(&set), 0);
    CHECK_EQ(sigaddset(&set, SIGBUS), 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    check_no_return();
    return 0;
}
