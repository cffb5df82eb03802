/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* If the load fails, a thread in uffd_incoming_wait() gets the reason. */
#include <errno.h>

#include "snapshot-file.h"
#include "snapshot-load.h"
#include "waiter.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    struct snapshot_file *file = snapshot_file_of(vm);
    struct toucher toucher;
    struct waiter waiter;

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    waiter_start(&waiter, vm);
    CHECK_EQ(ftruncate(file->fd, 0), 0);
    touch_read(&toucher, vm->blocks[0]->host);
    CHECK_EQ(waiter_finish(&waiter), -EIO);

    CHECK_OK(uffd_incoming_abort(vm));
    CHECK_EQ(toucher_finish(&toucher), 0);
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
