/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A load allocates the temporary pages that UffdLoadConfig asks for, so that the caller can receive pages beside it.
 */
#include "snapshot-file.h"
#include "snapshot-load.h"

int main(void)
{
    const UffdLoadConfig config = { .size = sizeof(config), .channels = 2 };
    MigrationIncomingState *vm = vm_with_ram(NULL, 16);
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, 0);
    CHECK(uffd_incoming_temp_page(vm, 0) != NULL);
    CHECK(uffd_incoming_temp_page(vm, 1) == NULL);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));

    CHECK_OK(load_with(vm, file->snapshot, &config));
    CHECK(uffd_incoming_temp_page(vm, 1) != NULL);
    CHECK(uffd_incoming_temp_page(vm, 2) == NULL);
    CHECK_OK(uffd_incoming_wait(vm, -1));

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
