/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * RAM that is mapped from a snapshot on bad storage (UFFD_LOAD_MAP_PRIVATE). The load is complete once the working set
 * has been read, and not before; what the storage does not hold up can be touched meanwhile. A page of it that the
 * storage cannot read is a warning, and SIGBUS to a thread that touches it.
 */
#include <errno.h>
#include <stdlib.h>

#include "scratch.h"
#include "sigbus.h"
#include "snapshot-load.h"
#include "storage.h"
#include "working-set.h"

#define PAGES 2048
#define BAD 300
#define FAR 1400

static void forget(const struct storage *storage, const RAMBlock *rb)
{
    ram_map_anew(rb); /* what is mapped stays in the page cache */
    storage_forget_cached(storage);
}

/* Maps the RAM, and touches a page for the record. */
static void record(MigrationIncomingState *vm, struct storage *storage, const char *set)
{
    load_working_set(vm, storage->file->snapshot, UFFD_LOAD_MAP_PRIVATE, set, NULL);
    CHECK_EQ(vm_stats(vm).complete, 1);
    CHECK_PAGE(vm->blocks[0], BAD);
    CHECK_OK(uffd_incoming_cleanup(vm));
    forget(storage, vm->blocks[0]);
}

static void check_hanging(MigrationIncomingState *vm, struct storage *storage, const char *set)
{
    storage_hangs(storage, BAD, 1);
    load_working_set(vm, storage->file->snapshot, UFFD_LOAD_MAP_PRIVATE, NULL, set);
    AWAIT(storage->orders->held > 0);
    CHECK_ERRNO(uffd_incoming_wait(vm, 50), -ETIMEDOUT);
    CHECK_EQ(vm_stats(vm).complete, 0);
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
    CHECK_PAGE(vm->blocks[0], FAR);

    storage_heals(storage);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_PAGE(vm->blocks[0], BAD);
    CHECK_EQ(vm_stats(vm).faults, 0);
    CHECK_OK(uffd_incoming_cleanup(vm));
    forget(storage, vm->blocks[0]);
}

static void check_failing(MigrationIncomingState *vm, struct storage *storage, const char *set)
{
    const unsigned before = warnings_with("process_vm_readv");

    storage_fails(storage, BAD, 1);
    load_working_set(vm, storage->file->snapshot, UFFD_LOAD_MAP_PRIVATE, NULL, set);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK(warnings_with("process_vm_readv") > before);
    CHECK_SIGBUS(vm->blocks[0], BAD);
    CHECK_PAGE(vm->blocks[0], FAR);
    storage_heals(storage);
    CHECK_PAGE(vm->blocks[0], BAD);
    CHECK_OK(uffd_incoming_cleanup(vm));
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.log = log_warnings;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, PAGES);
    struct storage *storage = storage_of(vm, true);
    char *set = scratch_path("set");

    CHECK_EQ(snapshot_page_kind(BAD), PAGE_DATA);
    CHECK_EQ(snapshot_page_kind(FAR), PAGE_DATA);
    record(vm, storage, set);
    check_hanging(vm, storage, set);
    check_failing(vm, storage, set);

    vm_end(vm);
    storage_free(storage);
    free(set);
    return 0;
}
