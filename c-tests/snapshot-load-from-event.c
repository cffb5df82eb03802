/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the event callback of a completed load, the statistics can be read; waiting and cleanup are refused. */
#include <errno.h>

#include "snapshot-file.h"
#include "snapshot-load.h"

static int wait_error, cleanup_error, load_error;
static UffdIncomingStats stats = { .size = sizeof(stats) };
static struct snapshot_file *file;
static atomic_bool called;

static void on_event(MigrationIncomingState *vm, int what, int error)
{
    CHECK_EQ(what, UFFD_INCOMING_EVENT_COMPLETE);
    CHECK_EQ(error, 0);
    wait_error = uffd_incoming_wait(vm, 0);
    cleanup_error = uffd_incoming_cleanup(vm);
    load_error = uffd_incoming_load_snapshot(vm, file->snapshot, NULL);
    CHECK_OK(uffd_incoming_get_stats(vm, &stats));
    called = true;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.event = on_event;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 64);
    file = snapshot_file_of(vm);

    load(vm, file->snapshot, 0);
    AWAIT(called);
    CHECK_EQ(wait_error, -EDEADLK);
    CHECK_EQ(cleanup_error, -EDEADLK);
    CHECK_EQ(load_error, -EDEADLK);
    CHECK_EQ(stats.complete, 1);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
