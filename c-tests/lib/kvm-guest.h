/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A guest of KVM, and a small VMM around it. The guest's memory is the RAM blocks of a test's VM. Its vCPUs run a few bytes of
 * machine code (x86, 64 bits) that visit pages in the order of a list and add up the words of each.
 */
#ifndef KVM_GUEST_H
#define KVM_GUEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "vm.h"

/* The guest's own page size. A page of a RAM block may hold several. */
#define GUEST_PAGE ((size_t)4096)

enum { GUEST_VCPUS = 2 };

/* A guest page. */
struct guest_page {
    RAMBlock *rb;
    size_t offset;
};

struct guest;

/* A vCPU, and the walk that it is on. */
struct vcpu {
    struct guest *guest;
    unsigned number;
    int fd;
    struct kvm_run *run;
    pthread_t thread;
    uint32_t *places, *sums;  /* of the walk, in memory that the guest sees, too */
    struct guest_page *pages; /* the same places */
    size_t count, room;
    int cpu;                  /* to which its thread is pinned, or -1 */
    _Atomic pid_t tid;        /* of its thread, before KVM_RUN is called */
    atomic_int error;         /* what KVM_RUN has failed with, apart from EINTR: an errno value, or 0 */
    atomic_bool stop, ended;  /* its thread is to end; it has */
    void *volatile sigbus_at; /* what the last SIGBUS said, until on_poison() is called */
    unsigned sigbus, mmio;    /* how often a poisoned page was told of by a signal, and by KVM_EXIT_MMIO */
    /*
     * Called on the vCPU's thread when the guest has touched a poisoned page at this address of the host. If it returns true,
     * KVM_RUN is called again, which makes the guest touch the page again; else the thread ends. See guest_handle_sigbus().
     */
    bool (*on_poison)(struct vcpu *vcpu, void *address);
};

struct guest {
    MigrationIncomingState *vm;
    int kvm, fd;
    uint32_t slots, ram_at[8];
    struct vcpu vcpus[GUEST_VCPUS];
};

/*
 * A guest with the VM's blocks for memory and two vCPUs. Skips the test where KVM cannot be used. With KVM's own interrupt
 * controller (`irqchip`), page faults of vCPUs are asynchronous: a worker thread of the kernel waits for the page.
 */
struct guest *guest_new(MigrationIncomingState *vm, bool irqchip);
void guest_free(struct guest *guest);

/* Appends to the walk of a vCPU: a page; all of the VM's RAM, in order, backwards, or in an order of chance that depends on the seed. */
void vcpu_visits(struct vcpu *vcpu, RAMBlock *rb, size_t offset);
void vcpu_visits_all(struct vcpu *vcpu);
void vcpu_visits_all_backwards(struct vcpu *vcpu);
void vcpu_visits_all_shuffled(struct vcpu *vcpu, unsigned short seed);

/* Forgets the walk. */
void vcpu_stays(struct vcpu *vcpu);

/*
 * Runs the vCPU on a thread of its own, pinned to a CPU unless that is negative. `flip`: it XORs the first word of each page with
 * this before it adds up the page; 0: it only reads.
 */
void vcpu_start(struct vcpu *vcpu, int cpu, uint32_t flip);

/* The same from where the vCPU has stopped. */
void vcpu_go_on(struct vcpu *vcpu);

/* How many pages it has visited so far. */
size_t vcpu_visited(const struct vcpu *vcpu);

/* Waits until the walk is done, KVM_RUN has failed (`error`), or on_poison() has ended the thread. */
void vcpu_finish(struct vcpu *vcpu);

/* Ends the thread of a vCPU wherever the vCPU is, by a signal. */
void vcpu_stop(struct vcpu *vcpu);

/* Installs the SIGBUS handler that a VMM with poisoned pages needs. */
void guest_handle_sigbus(void);

/*
 * Has all instructions of the vCPU emulated where the processor does not support KVM: then KVM itself makes the guest's accesses
 * to RAM. Elsewhere it changes nothing.
 */
void vcpu_emulate(struct vcpu *vcpu);

/* The sum that the guest makes of these bytes, the first word of which is XORed first. */
uint32_t guest_sum(const uint8_t *bytes, uint32_t flip);

/* The vCPU has finished its walk, and has seen each page as in its block's source, with the first word flipped. */
#define CHECK_WALK(vcpu) vcpu_check_walk(HERE, (vcpu), 0)
#define CHECK_FLIPPED_WALK(vcpu, flip) vcpu_check_walk(HERE, (vcpu), (flip))
void vcpu_check_walk(const char *where, const struct vcpu *vcpu, uint32_t flip);

/* Fails unless KVM_RUN has not failed and the whole walk is done. */
void vcpu_check_done(const char *where, const struct vcpu *vcpu);

/* The host CPU with this number among those that the process may run on, counted round: for pinning vCPUs. */
int host_cpu(unsigned number);

#endif
