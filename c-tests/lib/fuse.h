/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The side of a FUSE file system that answers the kernel: one file, which is the root of the file system.
 * It can be told to fail, to leave reads without an answer, to be slow, and to be particular about direct reads (O_DIRECT).
 */
#ifndef FUSE_H
#define FUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum fuse_mood {
    FUSE_WELL,
    FUSE_FAILS, /* reads get an error */
    FUSE_HANGS, /* reads get no answer, until the mood changes */
};

/* In memory that is shared with the process that answers. */
struct fuse_orders {
    _Atomic enum fuse_mood mood;
    _Atomic uint64_t from, end; /* which bytes of the file it concerns; changed only while all is well */
    atomic_int error;           /* which: an errno value */
    atomic_uint held;           /* how many reads have no answer yet */
    atomic_uint slow_us;        /* how long it takes for a read */
    atomic_int no_direct;       /* 0, or the errno value of opening with O_DIRECT */
    atomic_uint sector;         /* 0, or what direct reads must be multiples of: else EINVAL, as from a disk */
    atomic_bool hides_data;     /* SEEK_DATA finds none before the file is synchronized: as if it were in memory only */
    atomic_uint syncs;          /* how often it was */
    atomic_uint unfit;          /* how many were not */
    _Atomic uint64_t asked;     /* how many bytes were asked for, */
    _Atomic uint64_t direct;    /* and how many of them by direct reads */
};

/* Mounts a file system that is nothing but a file, over the file at `path`; `device` is an open /dev/fuse. Returns what mount() does. */
int fuse_mount(int device, const char *path, const char *name);

/* Forks the process that answers; it ends with its parent. No other process may hold the device: the parent closes it then. */
pid_t fuse_fork_server(void);

/*
 * Answers what comes from an open /dev/fuse with what is in `file`, until it is unmounted. An event on
 * `wake` tells that the mood has changed. `cached`: through the page cache, and the file can be mapped;
 * otherwise every read comes here. Several threads may serve one device, and so several reads at once; `wake` is -1 then, and the
 * mood stays.
 */
void fuse_serve(int device, int file, int wake, bool cached, struct fuse_orders *orders);

#endif
