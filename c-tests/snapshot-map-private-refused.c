/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * UFFD_LOAD_MAP_PRIVATE is refused with flags that exclude it. A block that cannot be mapped is loaded as ever, and a
 * warning names it and says why; the others are mapped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"
#include "working-set.h"

#define PAGES 1024
#define HUGE_PAGES 4 /* of 2 MiB */

static MigrationIncomingState *new_vm(enum ram_kind kind)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.log = log_warnings;
    vm_attach(vm);
    vm_add_ram(vm, kind, kind == RAM_HUGETLB_PRIVATE ? HUGE_PAGES : PAGES);
    vm_add_ram(vm, RAM_ANON, PAGES);
    return vm;
}

/* The first block cannot be mapped, for a reason with these words; the second one is. */
static void check_loaded(MigrationIncomingState *vm, UffdSnapshot *snapshot, const char *why)
{
    UffdSnapshotBlock block = { .size = sizeof(block) };
    const char *name = vm->blocks[0]->idstr;
    const unsigned warned = warnings_with(""), named = warnings_with(name), explained = warnings_with(why);

    load(vm, snapshot, UFFD_LOAD_MAP_PRIVATE);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(warnings_with(""), warned + 1);
    CHECK_EQ(warnings_with(name), named + 1);
    CHECK_EQ(warnings_with(why), explained + 1);
    CHECK_OK(uffd_snapshot_block(snapshot, 1, &block));
    CHECK_EQ(vm_stats(vm).bytes_mapped, block.data_bytes);
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_cleanup(vm));
}

static void check_kind(enum ram_kind kind)
{
    MigrationIncomingState *vm = new_vm(kind);
    struct snapshot_file *file = snapshot_file_of(vm);

    check_loaded(vm, file->snapshot, "private anonymous");
    vm_end(vm);
    snapshot_file_free(file);
}

static void check_memory(void (*change)(const RAMBlock *rb), const char *why)
{
    MigrationIncomingState *vm = new_vm(RAM_ANON);
    struct snapshot_file *file = snapshot_file_of(vm);

    change(vm->blocks[0]);
    check_loaded(vm, file->snapshot, why);
    vm_end(vm);
    snapshot_file_free(file);
}

static void wipe_on_fork(const RAMBlock *rb)
{
    CHECK_EQ(madvise(rb->host + rb->length / 2, 4096, MADV_WIPEONFORK), 0);
}

static void check_flags(void)
{
    MigrationIncomingState *vm = new_vm(RAM_ANON);
    struct snapshot_file *file = snapshot_file_of(vm);
    UffdLoadConfig config = { .size = sizeof(config), .flags = UFFD_LOAD_MAP_PRIVATE | UFFD_LOAD_KEEP_PRESENT };

    fill_ram(vm, 0x3c);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EINVAL);
    CHECK_ERROR_HAS("UFFD_LOAD_KEEP_PRESENT");
    config.flags = UFFD_LOAD_MAP_PRIVATE | UFFD_LOAD_DIRECT_IO;
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EINVAL);
    CHECK_ERROR_HAS("UFFD_LOAD_DIRECT_IO");
    CHECK_FILLED(vm, 0x3c);
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_flags();
    check_kind(RAM_MEMFD_SHARED);
    check_kind(RAM_MEMFD_PRIVATE);
    check_kind(RAM_HUGETLB_PRIVATE);
    check_memory(wipe_on_fork, "flag 'wf'");
    return 0;
}
