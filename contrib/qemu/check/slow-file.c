/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * slow-file FILE MOUNTPOINT: shows FILE at MOUNTPOINT (also a file) through a FUSE file system whose reads can be slow, fail,
 * or get no answer. It reads one order per line from standard input, and prints "ok" after each. At the end of its input it
 * unmounts the file and exits.
 *
 *     slow US           each read takes that many microseconds
 *     fail FROM TO      reads of these bytes get EIO
 *     hang FROM TO      reads of these bytes get no answer
 *     well              reads are fast and succeed again; reads without an answer get one
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>

/* The test suite's file system, without the rest of the suite. */
#define CHECK_H
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "slow-file: not so: %s (%s)\n", #condition, strerror(errno)); \
            _exit(1); \
        } \
    } while (0)
#define CHECK_EQ(seen, expected) CHECK((seen) == (expected))
#include "../../../c-tests/lib/fuse.c"

static struct fuse_orders orders = { .error = EIO };
static const char *mountpoint;
static int wake;

static void set_mood(enum fuse_mood mood, uint64_t from, uint64_t end)
{
    const uint64_t one = 1;

    orders.mood = FUSE_WELL;
    orders.from = from;
    orders.end = end;
    orders.mood = mood;
    CHECK_EQ(write(wake, &one, sizeof(one)), sizeof(one));
}

static void *take_orders(void *unused)
{
    char line[128];
    uint64_t from, end;
    unsigned us;

    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "slow %u", &us) == 1) {
            orders.slow_us = us;
        } else if (sscanf(line, "fail %" SCNu64 " %" SCNu64, &from, &end) == 2) {
            set_mood(FUSE_FAILS, from, end);
        } else if (sscanf(line, "hang %" SCNu64 " %" SCNu64, &from, &end) == 2) {
            set_mood(FUSE_HANGS, from, end);
        } else if (strcmp(line, "well\n") == 0) {
            orders.slow_us = 0;
            set_mood(FUSE_WELL, 0, 0);
        } else {
            fprintf(stderr, "slow-file: what is %s", line);
            break;
        }
        puts("ok");
        fflush(stdout);
    }
    /* Reads that still wait fail when this process ends. */
    umount2(mountpoint, MNT_DETACH);
    _exit(0);
    return unused;
}

int main(int argc, char **argv)
{
    char options[128];
    pthread_t thread;

    if (argc != 3) {
        fprintf(stderr, "usage: slow-file FILE MOUNTPOINT\n");
        return 2;
    }
    mountpoint = argv[2];
    const int file = open(argv[1], O_RDONLY | O_CLOEXEC), device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    CHECK(file >= 0 && device >= 0);
    wake = eventfd(0, EFD_CLOEXEC);
    CHECK(wake >= 0);
    snprintf(options, sizeof(options), "fd=%d,rootmode=%o,user_id=%u,group_id=%u", device, S_IFREG, geteuid(), getegid());
    CHECK_EQ(mount("slow-file", mountpoint, "fuse", MS_NOSUID | MS_NODEV, options), 0);
    CHECK_EQ(pthread_create(&thread, NULL, take_orders, NULL), 0);
    puts("ok");
    fflush(stdout);
    fuse_serve(device, file, wake, false, &orders);
    return 0;
}
