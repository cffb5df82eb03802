/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "kvm-walk-load.h"

#include "ram-contents.h"
#include "snapshot-file.h"

static void walk(struct guest *guest)
{
    vcpu_visits_all_shuffled(&guest->vcpus[0], 7);
    vcpu_visits_all_backwards(&guest->vcpus[1]);
    for (unsigned i = 0; i < GUEST_VCPUS; i++) {
        vcpu_start(&guest->vcpus[i], host_cpu(i), 0);
    }
    for (unsigned i = 0; i < GUEST_VCPUS; i++) {
        vcpu_finish(&guest->vcpus[i]);
        CHECK_WALK(&guest->vcpus[i]);
    }
}

static void check_load(enum ram_kind kind, size_t pages, bool irqchip, uint64_t flags)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = flags };
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    vm_add_ram(vm, kind, pages);
    vm_add_ram(vm, kind, pages / 2);
    struct guest *guest = guest_new(vm, irqchip);
    struct snapshot_file *file = snapshot_file_of(vm);

    /* Of an earlier guest; in RAM whose file has to be empty, there is none. */
    if (kind != RAM_MEMFD_PRIVATE) {
        fill_ram(vm, 0xaa);
    }
    CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, &config));
    walk(guest);
    CHECK(vm_stats(vm).faults > 0 || flags == 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    guest_free(guest);
    vm_end(vm);
    snapshot_file_free(file);
}

void check_walk_load(enum ram_kind kind, size_t pages)
{
    check_load(kind, pages, false, 0);
    check_load(kind, pages, false, UFFD_LOAD_NO_BACKGROUND);
    check_load(kind, pages, true, 0);
    check_load(kind, pages, true, UFFD_LOAD_NO_BACKGROUND);
}
