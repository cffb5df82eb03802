/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uffd_incoming_abort() ends an incomplete load. Missing pages then read as zeros. */
#include <errno.h>

#include "resources.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

static void load_and_abort(MigrationIncomingState *vm, const struct snapshot_file *file)
{
    RAMBlock *rb = vm->blocks[0];

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_PAGE(rb, 0);
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
    CHECK_ERRNO(uffd_incoming_detach(vm), -EBUSY);
    CHECK_OK(uffd_incoming_abort(vm));
    CHECK_PAGE(rb, 0);
    CHECK_ZEROS(rb, 1);
    CHECK_ERRNO(uffd_incoming_wait(vm, 0), -EINVAL);
    CHECK_EQ(vm_stats(vm).complete, 0);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    struct snapshot_file *file = snapshot_file_of(vm);

    load_and_abort(vm, file);
    load_and_abort(vm, file);
    struct resources before = resources_count(vm);
    load_and_abort(vm, file);
    CHECK_RESOURCES(vm, before);
    CHECK_OK(uffd_incoming_abort(vm)); /* also when not armed */

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
