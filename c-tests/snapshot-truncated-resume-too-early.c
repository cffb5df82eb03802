/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A resume while the file is still truncated pauses again, for the same reason. */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);
    struct toucher toucher;

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_EQ(ftruncate(file->fd, 0), 0);
    touch_read(&toucher, rb->host);
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);

    CHECK_OK(uffd_incoming_resume(vm));
    AWAIT(vm_stats(vm).source_errors == 2);
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_WAITS(&toucher);

    snapshot_file_write(file);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *rb->source);
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
