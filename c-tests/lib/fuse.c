/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

#define FOREVER UINT32_MAX /* in seconds: attributes never change */
#define MOST_HELD 64

struct request {
    struct fuse_in_header header;
    union {
        struct fuse_init_in init;
        struct fuse_open_in open;
        struct fuse_read_in read;
        struct fuse_lseek_in lseek;
        char room[FUSE_MIN_READ_BUFFER];
    };
};

/* What an open file is called. */
enum { BUFFERED = 1, DIRECT = 2 };

/* A read that is to be answered. */
struct reading {
    uint64_t unique;
    uint64_t offset;
    uint32_t size;
};

struct server {
    int device;
    int file;
    bool cached;
    struct fuse_orders *orders;
    struct reading held[MOST_HELD];
    unsigned held_count;
};

static void answer(const struct server *server, uint64_t unique, int error, void *bytes, size_t length)
{
    struct fuse_out_header header = { .len = sizeof(header) + length, .error = error, .unique = unique };
    struct iovec parts[] = { { &header, sizeof(header) }, { bytes, length } };

    /* ENOENT: nobody waits any more. */
    CHECK(writev(server->device, parts, 2) == header.len || errno == ENOENT);
}

static void answer_init(const struct server *server, const struct request *request)
{
    struct fuse_init_out init = {
        .major = FUSE_KERNEL_VERSION,
        .minor = FUSE_KERNEL_MINOR_VERSION,
        .max_readahead = request->init.max_readahead,
        .flags = FUSE_ASYNC_READ,
        .max_background = MOST_HELD,
        .congestion_threshold = MOST_HELD, /* above that, the kernel forgets what it is asked to read ahead */
        .max_write = 4096,
    };

    CHECK_EQ(request->init.major, FUSE_KERNEL_VERSION);
    answer(server, request->header.unique, 0, &init, sizeof(init));
}

static void answer_attributes(const struct server *server, uint64_t unique)
{
    struct stat status;

    CHECK_EQ(fstat(server->file, &status), 0);
    struct fuse_attr_out attributes = {
        .attr_valid = FOREVER,
        .attr = {
            .ino = FUSE_ROOT_ID,
            .size = (uint64_t)status.st_size,
            .blocks = (uint64_t)status.st_blocks,
            .mode = S_IFREG | 0400,
            .nlink = 1,
            .blksize = 4096,
        },
    };
    answer(server, unique, 0, &attributes, sizeof(attributes));
}

static void answer_open(const struct server *server, const struct request *request)
{
    const bool direct = request->open.flags & O_DIRECT;
    struct fuse_open_out opened = {
        .fh = direct ? DIRECT : BUFFERED,
        .open_flags = server->cached ? FOPEN_KEEP_CACHE : FOPEN_DIRECT_IO,
    };

    if (direct && server->orders->no_direct) {
        answer(server, request->header.unique, -server->orders->no_direct, NULL, 0);
    } else {
        answer(server, request->header.unique, 0, &opened, sizeof(opened));
    }
}

/* Answers a read in the mood of the moment; false if that is with silence. */
static bool answer_read(const struct server *server, const struct reading *reading)
{
    static _Thread_local char bytes[1 << 20];
    const struct fuse_orders *orders = server->orders;
    const enum fuse_mood mood = orders->mood;
    const bool concerned = reading->offset < orders->end && reading->offset + reading->size > orders->from;

    if (mood == FUSE_HANGS && concerned) {
        return false;
    }
    if (mood == FUSE_FAILS && concerned) {
        answer(server, reading->unique, -orders->error, NULL, 0);
        return true;
    }
    CHECK(reading->size <= sizeof(bytes));
    ssize_t length = pread(server->file, bytes, reading->size, (off_t)reading->offset);
    CHECK(length >= 0);
    answer(server, reading->unique, 0, bytes, (size_t)length);
    return true;
}

static void take_read(struct server *server, const struct request *request)
{
    const struct reading reading = { request->header.unique, request->read.offset, request->read.size };
    struct fuse_orders *orders = server->orders;
    const bool direct = request->read.fh == DIRECT;

    if (direct && orders->sector != 0 && (reading.offset | reading.size) % orders->sector != 0) {
        orders->unfit++;
        answer(server, reading.unique, -EINVAL, NULL, 0);
        return;
    }
    orders->asked += reading.size;
    orders->direct += direct ? reading.size : 0;
    if (orders->slow_us != 0) {
        usleep(orders->slow_us);
    }
    if (!answer_read(server, &reading)) {
        CHECK(server->held_count < MOST_HELD);
        server->held[server->held_count++] = reading;
        orders->held = server->held_count;
    }
}

static void answer_lseek(const struct server *server, const struct request *request)
{
    const struct fuse_orders *orders = server->orders;
    const int whence = (int)request->lseek.whence;
    struct fuse_lseek_out found;

    if (!orders->hides_data) {
        answer(server, request->header.unique, -ENOSYS, NULL, 0);
        return;
    }
    if (orders->syncs == 0 && whence == SEEK_DATA) {
        answer(server, request->header.unique, -ENXIO, NULL, 0);
        return;
    }
    const off_t at = lseek(server->file, (off_t)request->lseek.offset, whence);
    found.offset = (uint64_t)at;
    answer(server, request->header.unique, at < 0 ? -errno : 0, &found, at < 0 ? 0 : sizeof(found));
}

/* The mood has changed. */
static void look_at_held(struct server *server)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < server->held_count; i++) {
        if (!answer_read(server, &server->held[i])) {
            server->held[kept++] = server->held[i];
        }
    }
    server->held_count = kept;
    server->orders->held = kept;
}

/* Takes a request; false once the file system is unmounted. */
static bool take_request(struct server *server)
{
    struct request request;
    ssize_t length = read(server->device, &request, sizeof(request));

    if (length < 0) {
        /* ENOENT: it was taken back. */
        if (errno != ENODEV && errno != ENOENT && errno != EINTR && errno != EAGAIN) {
            FAIL("cannot take a request: %s", strerror(errno));
        }
        return errno != ENODEV;
    }
    switch (request.header.opcode) {
    case FUSE_INIT:
        answer_init(server, &request);
        break;
    case FUSE_GETATTR:
        answer_attributes(server, request.header.unique);
        break;
    case FUSE_OPEN:
        answer_open(server, &request);
        break;
    case FUSE_READ:
        take_read(server, &request);
        break;
    case FUSE_LSEEK:
        answer_lseek(server, &request);
        break;
    case FUSE_FSYNC:
        server->orders->syncs++;
        answer(server, request.header.unique, 0, NULL, 0);
        break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: /* whoever hangs takes no notice */
        break;
    default: /* the kernel gets along without */
        answer(server, request.header.unique, -ENOSYS, NULL, 0);
        break;
    }
    return true;
}

int fuse_mount(int device, const char *path, const char *name)
{
    char options[128];

    snprintf(options, sizeof(options), "fd=%d,rootmode=%o,user_id=%u,group_id=%u", device, S_IFREG, geteuid(), getegid());
    return mount(name, path, "fuse", MS_NOSUID | MS_NODEV, options);
}

pid_t fuse_fork_server(void)
{
    const pid_t parent = getpid(), pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
        CHECK_EQ(getppid(), parent);
    }
    return pid;
}

void fuse_serve(int device, int file, int wake, bool cached, struct fuse_orders *orders)
{
    struct server server = { .device = device, .file = file, .cached = cached, .orders = orders };
    struct pollfd watched[] = { { .fd = device, .events = POLLIN }, { .fd = wake, .events = POLLIN } };
    uint64_t count;

    while (wake < 0) {
        if (!take_request(&server)) { /* not by poll(), which would wake all threads for each request */
            return;
        }
    }
    for (;;) {
        CHECK(poll(watched, 2, -1) > 0);
        if (watched[1].revents != 0) {
            CHECK_EQ(read(wake, &count, sizeof(count)), sizeof(count));
            look_at_held(&server);
        }
        if (watched[0].revents != 0 && !take_request(&server)) {
            return;
        }
    }
}
