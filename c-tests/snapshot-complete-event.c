/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* UFFD_INCOMING_EVENT_COMPLETE comes exactly once, when all pages are in place. */
#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

static MigrationIncomingState *new_vm(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.fault_threads = 2;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 1024);
    return vm;
}

static void check_once(uint64_t flags)
{
    MigrationIncomingState *vm = new_vm();
    struct snapshot_file *file = snapshot_file_of(vm);

    load(vm, file->snapshot, flags);
    if (flags & UFFD_LOAD_NO_BACKGROUND) {
        CHECK_PAGE(vm->blocks[0], 0);
        CHECK_EQ(vm->event_count, 0);
    }
    CHECK_RAM(vm);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_COMPLETE, 0) == 1);
    CHECK_EQ(vm_stats(vm).complete, 1);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(vm->event_count, 1);

    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_once(0);
    check_once(UFFD_LOAD_NO_BACKGROUND);
    return 0;
}
