/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A snapshot on storage that can fail, hang and go away: a FUSE file system that another process serves.
 * It is mounted in a mount namespace of the test, and ends with the test.
 */
#ifndef STORAGE_H
#define STORAGE_H

#include "fuse.h"
#include "snapshot-file.h"

struct storage {
    char *path;                 /* of the snapshot */
    struct snapshot_file *file; /* what the storage holds; its `snapshot` was opened by that path */
    pid_t pid;                  /* of the process that serves it */
    int wake;
    struct fuse_orders *orders;
};

/*
 * Stores a snapshot of the VM's blocks, and opens it. What is said of `cached` in fuse.h holds. Call it
 * before there are threads. Skips the test where file systems cannot be mounted.
 */
struct storage *storage_of(MigrationIncomingState *vm, bool cached);

/* The same for a snapshot that has been written, which is then the storage's. */
struct storage *storage_of_file(struct snapshot_file *file, bool cached);
void storage_free(struct storage *storage);

/*
 * What happens from now on to reads of these pages of the first block, and of what is read along with
 * them.
 */
void storage_fails(struct storage *storage, size_t page, size_t pages); /* with EIO */
void storage_fails_with(struct storage *storage, int error, size_t page, size_t pages);
void storage_hangs(struct storage *storage, size_t page, size_t pages);

/* Everything is well again: reads that hang are answered. */
void storage_heals(struct storage *storage);

/* What has been read is not in the page cache any more, but for what is mapped: it has to be read again. */
void storage_forget_cached(const struct storage *storage);

/* Has the kernel begin to read these pages of the first block, which hang: returns once the storage has been asked. */
void storage_is_asked_ahead(const struct storage *storage, size_t page, size_t pages);

/* Kills the process. */
void storage_dies(struct storage *storage);

/* What `umount -f` does: reads that wait are broken off. */
void storage_is_cut_off(struct storage *storage);

#endif
