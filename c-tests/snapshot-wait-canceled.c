/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* If the load is aborted, threads in uffd_incoming_wait() get -ECANCELED. */
#include <errno.h>

#include "snapshot-file.h"
#include "snapshot-load.h"
#include "waiter.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    struct snapshot_file *file = snapshot_file_of(vm);
    struct waiter first, second;

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    waiter_start(&first, vm);
    waiter_start(&second, vm);
    CHECK_OK(uffd_incoming_abort(vm));
    CHECK_EQ(waiter_finish(&first), -ECANCELED);
    CHECK_EQ(waiter_finish(&second), -ECANCELED);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
