/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A snapshot may be closed during a load. */
#include "ram-contents.h"
#include "resources.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

static void load_closed(MigrationIncomingState *vm)
{
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_PAGE(vm->blocks[0], 0);
    snapshot_file_free(file);
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);

    load_closed(vm);
    load_closed(vm);
    struct resources before = resources_count(vm);
    load_closed(vm);
    CHECK_RESOURCES(vm, before); /* its file has been closed, too */
    vm_end(vm);
    return 0;
}
