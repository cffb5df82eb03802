/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Eight threads touch 128 MiB in random orders while two fault threads serve them and the background loader
 * works. Every byte is right when it is first seen, and at the end. UFFD_TEST_ROUNDS=10 repeats that ten times.
 * Under a sanitizer, or where the snapshot is on a disk, the RAM has 64 MiB.
 */
#include <stdlib.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"
#include "walkers.h"

#define SECONDS_PER_ROUND 30
#define MIB_PAGES ((size_t)256)

int main(void)
{
    const char *rounds = getenv("UFFD_TEST_ROUNDS");
    const size_t mib = SANITIZED || getenv("UFFD_TEST_DIRECT_IO") != NULL ? 64 : 128;
    MigrationIncomingState *vm = vm_new();

    vm->config.fault_threads = 2;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, mib / 4 * 3 * MIB_PAGES);
    vm_add_ram(vm, RAM_MEMFD_SHARED, mib / 4 * MIB_PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);

    for (int left = rounds != NULL ? atoi(rounds) : 1; left > 0; left--) {
        alarm(SECONDS_PER_ROUND);
        load(vm, file->snapshot, 0);
        struct walkers *walkers = walkers_start(vm, 8);
        CHECK_OK(uffd_incoming_wait(vm, -1));
        walkers_finish(walkers);
        CHECK_OK(uffd_incoming_cleanup(vm));
        CHECK_RAM(vm);
    }

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
