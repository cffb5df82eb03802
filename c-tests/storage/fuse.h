/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The side of a FUSE file system that answers the kernel: one file, which is the root of the file system.
 * It can be told to fail, or to leave reads without an answer.
 */
#ifndef FUSE_H
#define FUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

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
};

/*
 * Answers what comes from an open /dev/fuse with what is in `file`, until it is unmounted. An event on
 * `wake` tells that the mood has changed. `cached`: through the page cache, and the file can be mapped;
 * otherwise every read comes here.
 */
void fuse_serve(int device, int file, int wake, bool cached, struct fuse_orders *orders);

#endif
