/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_LOAD_MAP_PRIVATE, data is mapped from the snapshot's file: no page of it is copied or faulted on, and all
 * is loaded when the call returns. Zeros are anonymous memory. What is written stays out of the file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ram-contents.h"
#include "resources.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 2048

static int no_userfaultfd(MigrationIncomingState *vm)
{
    (void)vm;
    return -EPERM;
}

static void check_loaded(MigrationIncomingState *vm, uint64_t bytes_mapped)
{
    const UffdIncomingStats stats = vm_stats(vm);

    CHECK_OK(uffd_incoming_wait(vm, 0));
    CHECK_EQ(stats.complete, 1);
    CHECK_EQ(stats.bytes_mapped, bytes_mapped);
    CHECK_EQ(stats.bytes_loaded, stats.bytes_total);
    CHECK_EQ(stats.pages_placed, 0);
    CHECK_RAM(vm);
    CHECK_EQ(vm_stats(vm).faults, 0);
    CHECK_EQ(vm_stats(vm).fault_threads, 0);
}

/* What the guest writes is its own: the file has what it had. */
static void check_private(const struct snapshot_file *file, const RAMBlock *rb)
{
    uint8_t *before = malloc(rb->length), *after = malloc(rb->length);
    const off_t start = (off_t)file->blocks[0].pages_offset;

    CHECK(before != NULL && after != NULL);
    CHECK_EQ(pread(file->fd, before, rb->length, start), (ssize_t)rb->length);
    memset(rb->host, 0x3c, rb->length);
    CHECK_EQ(pread(file->fd, after, rb->length, start), (ssize_t)rb->length);
    CHECK_EQ(memcmp(before, after, rb->length), 0);
    free(before);
    free(after);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.log = vm_no_message;
    vm->config.open_userfaultfd = no_userfaultfd; /* none is needed */
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);
    UffdSnapshotBlock block = { .size = sizeof(block) };
    CHECK_OK(uffd_snapshot_block(file->snapshot, 0, &block));
    CHECK(block.data_bytes > 0 && block.data_bytes < rb->length);

    /* What a VMM asks for its RAM, and that it has memory already. */
    CHECK_EQ(madvise(rb->host, rb->length, MADV_DONTDUMP), 0);
    CHECK_EQ(madvise(rb->host, rb->length / 2, MADV_DONTFORK), 0);
    fill_ram(vm, 0x3c);
    const size_t dumped = smaps_flags(rb, "dd"), forked = smaps_flags(rb, "dc");
    CHECK_EQ(dumped, rb->length);

    load(vm, file->snapshot, UFFD_LOAD_MAP_PRIVATE);
    CHECK_EQ(smaps_flags(rb, "dd"), dumped);
    CHECK_EQ(smaps_flags(rb, "dc"), forked);
    CHECK_EQ(smaps_bytes(rb, "Anonymous:"), 0);
    check_loaded(vm, block.data_bytes);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    struct resources before = resources_count(vm);
    check_private(file, rb);

    /* It cannot be armed again: nothing is changed. */
    vm->config.open_userfaultfd = NULL;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    const UffdLoadConfig again = { .size = sizeof(again), .flags = UFFD_LOAD_MAP_PRIVATE };
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &again), -EINVAL);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EINVAL);
    CHECK_ERROR_HAS("mapping of the snapshot");
    CHECK_FILLED(vm, 0x3c);
    CHECK_RESOURCES(vm, before);

    /* With new memory in its place, it can. */
    ram_map_anew(rb);
    load(vm, file->snapshot, UFFD_LOAD_MAP_PRIVATE);
    check_loaded(vm, block.data_bytes);
    CHECK_OK(uffd_incoming_cleanup(vm));
    ram_map_anew(rb);
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(vm_stats(vm).bytes_mapped, 0);
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
