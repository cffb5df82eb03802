/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The working set of a KVM guest: pages that its vCPUs touch in one restore are loaded first in the next, and cause
 * no fault there.
 */
#include <stdlib.h>

#include "kvm-guest.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "vm.h"
#include "working-set.h"

#define PAGES 4096

static const size_t touched[] = { 3000, 16, 2999, 900, 1027, 77 };
static const size_t count = sizeof(touched) / sizeof(touched[0]);

static void touch(struct guest *guest)
{
    vcpu_start(&guest->vcpus[0], -1, 0);
    vcpu_finish(&guest->vcpus[0]);
    CHECK_WALK(&guest->vcpus[0]);
}

static void check_working_set(bool irqchip)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    struct guest *guest = guest_new(vm, irqchip);
    struct snapshot_file *file = snapshot_file_of(vm);
    char *set = scratch_path(irqchip ? "irqchip" : "set");

    for (size_t i = 0; i < count; i++) {
        vcpu_visits(&guest->vcpus[0], vm->blocks[0], touched[i] * GUEST_PAGE);
    }
    load_working_set(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND, set, NULL);
    const size_t received_at_once = pages_received(vm); /* long runs of zeros */
    touch(guest);
    AWAIT(pages_received(vm) == received_at_once + count);
    CHECK(vm_stats(vm).faults >= count);
    CHECK_OK(uffd_incoming_abort(vm));

    load_working_set(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND, NULL, set);
    AWAIT(pages_received(vm) == received_at_once + count);
    touch(guest);
    CHECK_EQ(vm_stats(vm).faults, 0);
    CHECK_EQ(pages_received(vm), received_at_once + count);
    CHECK_OK(uffd_incoming_abort(vm));
    guest_free(guest);
    vm_end(vm);
    snapshot_file_free(file);
    free(set);
}

int main(void)
{
    check_working_set(false);
    check_working_set(true);
    return 0;
}
