/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Huge pages are loaded on demand when they are touched. */
#include <errno.h>

#include "snapshot-file.h"
#include "snapshot-load.h"
#include "walkers.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    vm_add_ram(vm, RAM_HUGETLB_SHARED, 4);
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_ERRNO(uffd_incoming_wait(vm, 0), -ETIMEDOUT);
    walkers_finish(walkers_start(vm, 2));
    CHECK_OK(uffd_incoming_wait(vm, -1));

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
