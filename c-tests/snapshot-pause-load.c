/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uffd_incoming_pause() stops a load, and uffd_incoming_resume() continues it. */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, (64 << 20) / 4096);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);
    struct toucher toucher;

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_OK(uffd_incoming_pause(vm));
    touch_read(&toucher, rb->host);
    CHECK_WAITS(&toucher);
    CHECK_ERRNO(uffd_incoming_wait(vm, 30), -ETIMEDOUT); /* that pause is no failure */
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *rb->source);
    CHECK_OK(uffd_incoming_abort(vm));

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_pause(vm));
    UffdIncomingStats stats = vm_stats(vm);
    CHECK_EQ(stats.paused, 1);
    let_wrong_things_happen();
    CHECK_EQ(vm_stats(vm).bytes_loaded, stats.bytes_loaded);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
