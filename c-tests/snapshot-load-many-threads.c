/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Four fault threads and two loader threads load a snapshot: every byte is right. */
#include <string.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"
#include "walkers.h"

static atomic_uint fault_threads, loader_threads;

static void thread_start(MigrationIncomingState *vm, const char *name)
{
    (void)vm;
    fault_threads += strncmp(name, "uffd/fault", strlen("uffd/fault")) == 0;
    loader_threads += strncmp(name, "uffd/load", strlen("uffd/load")) == 0;
}

int main(void)
{
    const UffdLoadConfig config = { .size = sizeof(config), .loader_threads = 2 };
    MigrationIncomingState *vm = vm_new();

    vm->config.fault_threads = 4;
    vm->config.thread_start = thread_start;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, (64 << 20) / 4096);
    vm_add_ram(vm, RAM_MEMFD_SHARED, (32 << 20) / 4096);
    vm_add_ram(vm, RAM_MEMFD_PRIVATE, (32 << 20) / 4096);
    vm_add_ram(vm, RAM_ANON, 1); /* fewer pages than threads */
    struct snapshot_file *file = snapshot_file_of(vm);

    CHECK_OK(load_with(vm, file->snapshot, &config));
    CHECK_EQ(vm_stats(vm).fault_threads, 4);
    CHECK_EQ(fault_threads, 4);
    CHECK_EQ(loader_threads, 2);
    struct walkers *walkers = walkers_start(vm, 4);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    walkers_finish(walkers);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
