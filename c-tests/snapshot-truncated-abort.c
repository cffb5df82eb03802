/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The file is truncated during a load and stays so. Abort lets the waiting threads go on. */
#include <errno.h>

#include "snapshot-file.h"
#include "snapshot-load.h"

#define TOUCHERS 3

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);
    struct toucher touchers[TOUCHERS];

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_EQ(ftruncate(file->fd, file->blocks[0].pages_offset), 0);
    for (size_t i = 0; i < TOUCHERS; i++) {
        touch_read(&touchers[i], ram_page(rb, i));
    }
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    for (size_t i = 0; i < TOUCHERS; i++) {
        CHECK_WAITS(&touchers[i]);
    }

    CHECK_OK(uffd_incoming_abort(vm));
    for (size_t i = 0; i < TOUCHERS; i++) {
        CHECK_EQ(toucher_finish(&touchers[i]), 0);
    }
    CHECK_EQ(vm_stats(vm).complete, 0);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
