/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A second load gives -EBUSY until the first one has been cleaned up. Then it loads the snapshot again. */
#include <errno.h>

#include "ram-contents.h"
#include "resources.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

static void load_and_clean_up(MigrationIncomingState *vm, const struct snapshot_file *file)
{
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    fill_ram(vm, 0x3c); /* what the guest writes until the next load */
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EBUSY);
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EBUSY);
    CHECK_ERRNO(uffd_setup_incoming(vm, vm_serve_page, 1), -EBUSY);
    CHECK_OK(uffd_incoming_cleanup(vm));

    load_and_clean_up(vm, file);
    load_and_clean_up(vm, file);
    struct resources before = resources_count(vm);
    load_and_clean_up(vm, file);
    CHECK_RESOURCES(vm, before);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
