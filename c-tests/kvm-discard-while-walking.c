/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_TRACK_DISCARDS, one vCPU reads all of the RAM during a load while the VMM discards pages, as a
 * balloon does. The other vCPU reads zeros in discarded pages from then on. All other pages have the snapshot's
 * content.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kvm-guest.h"
#include "snapshot-file.h"
#include "vm.h"

#define PAGES 2048
#define BATCH 16
#define MOST_BATCHES 24

static bool discarded[PAGES];

/* Discards some pages of the second half, and has a vCPU look at them. */
static void discard(struct vcpu *vcpu, RAMBlock *rb, unsigned short *state)
{
    vcpu_stays(vcpu);
    for (unsigned i = 0; i < BATCH; i++) {
        const size_t page = PAGES / 2 + (size_t)nrand48(state) % (PAGES / 2);

        CHECK_EQ(madvise(ram_page(rb, page), GUEST_PAGE, rb->fd < 0 ? MADV_DONTNEED : MADV_REMOVE), 0);
        discarded[page] = true;
        vcpu_visits(vcpu, rb, page * GUEST_PAGE);
    }
    vcpu_start(vcpu, host_cpu(1), 0);
    vcpu_finish(vcpu);
    vcpu_check_done(HERE, vcpu);
    for (unsigned i = 0; i < BATCH; i++) {
        CHECK_EQ(vcpu->sums[i], 0);
    }
}

static void check_discards(enum ram_kind kind, uint64_t flags)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = flags };
    MigrationIncomingState *vm = vm_new();
    unsigned short state[3] = { 1, 2, 3 };

    memset(discarded, false, sizeof(discarded));
    vm->config.flags |= UFFD_INCOMING_TRACK_DISCARDS;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, kind, PAGES);
    struct guest *guest = guest_new(vm, false);
    struct snapshot_file *file = snapshot_file_of(vm);
    struct vcpu *walker = &guest->vcpus[0];

    vcpu_visits_all_shuffled(walker, 5);
    CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, &config));
    vcpu_start(walker, host_cpu(0), 0);
    for (unsigned batches = 0; batches < MOST_BATCHES && !walker->ended; batches++) {
        discard(&guest->vcpus[1], rb, state);
    }
    vcpu_finish(walker);
    vcpu_check_done(HERE, walker);
    for (size_t i = 0; i < PAGES; i++) {
        const size_t offset = walker->pages[i].offset;
        const uint32_t sum = guest_sum(rb->source + offset, 0);

        CHECK(walker->sums[i] == sum || (walker->sums[i] == 0 && discarded[offset / GUEST_PAGE]));
    }
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    for (size_t page = 0; page < PAGES; page++) {
        if (discarded[page]) {
            CHECK_ZEROS(rb, page);
        } else {
            CHECK_PAGE(rb, page);
        }
    }
    guest_free(guest);
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_discards(RAM_ANON, 0);
    check_discards(RAM_ANON, UFFD_LOAD_NO_BACKGROUND);
    check_discards(RAM_MEMFD_SHARED, UFFD_LOAD_NO_BACKGROUND);
    return 0;
}
