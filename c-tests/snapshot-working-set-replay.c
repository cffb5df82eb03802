/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Pages that faulted in one restore are loaded first in the next. Without the background loader no other page is
 * loaded. Touching these pages causes no fault.
 */
#include <stdlib.h>

#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "snapshot-load.h"
#include "working-set.h"

#define PAGES 4096

int main(void)
{
    static const size_t touched[] = { 3000, 16, 2999, 900, 1027, 5 /* zeros */ };
    const size_t count = sizeof(touched) / sizeof(touched[0]);
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);
    char *set = scratch_path("set");

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    const size_t received_at_once = pages_received(vm); /* long runs of zeros */
    CHECK_OK(uffd_incoming_abort(vm));
    record_working_set(vm, file->snapshot, set, NULL, touched, count);
    CHECK_EQ(scratch_files(), 1);

    load_working_set(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND, NULL, set);
    AWAIT(pages_received(vm) == received_at_once + count);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(vm_received(vm, vm->blocks[0], touched[i]), 1);
        CHECK_PAGE(vm->blocks[0], touched[i]);
    }
    CHECK_EQ(vm_stats(vm).faults, 0);
    let_wrong_things_happen();
    CHECK_EQ(pages_received(vm), received_at_once + count);
    CHECK_EQ(vm_stats(vm).complete, 0);
    CHECK_OK(uffd_incoming_abort(vm));

    /* With it, all else follows. */
    load_working_set(vm, file->snapshot, 0, NULL, set);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    free(set);
    return 0;
}
