/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A mapped-ram snapshot of a test's VM, in memory: it holds what the sources of the VM's blocks say. With UFFD_TEST_DIRECT_IO=1 in
 * the environment it is a file without a name in the test's scratch directory, and once written not in the page cache.
 */
#ifndef SNAPSHOT_FILE_H
#define SNAPSHOT_FILE_H

#include "../demo/mapped-ram-write.h"
#include "vm.h"

struct snapshot_file {
    int fd;
    struct mapped_ram_file layout;
    struct mapped_ram_block blocks[8]; /* in the order of the VM's */
    MigrationIncomingState *vm;
    UffdSnapshot *snapshot; /* once it is open */
};

/*
 * Which target pages hold data: all but two of eight, one of them stale; and of every 2048 the last 512 are
 * zero pages, half of them stale.
 */
enum page_kind snapshot_page_kind(uint64_t page);

/*
 * For a mapped_ram_file.page() of a test's own: makes this page of that kind. Data is what the block's source holds; else the
 * source becomes zeros there.
 */
enum page_kind snapshot_page(const struct snapshot_file *file, size_t block, uint64_t page, enum page_kind kind, void *bytes);

/* A mapped_ram_file.page() that makes all pages data. */
enum page_kind snapshot_data_page(const void *file, size_t block, uint64_t page, void *bytes);

/* Writes a snapshot of the VM's blocks and opens it. Zero pages become zeros in the blocks' sources. */
struct snapshot_file *snapshot_file_of(MigrationIncomingState *vm);

/* The same step by step, for a test that changes the layout first, or the file afterwards. */
struct snapshot_file *snapshot_file_new(MigrationIncomingState *vm);
void snapshot_file_write(struct snapshot_file *file);
void snapshot_file_open(struct snapshot_file *file);

/* Closes what is open. */
void snapshot_file_free(struct snapshot_file *file);

#endif
