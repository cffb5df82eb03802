/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "slow-image.h"

#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpus.h"
#include "lib/fuse.h"

/* How many reads are under way at once. */
#define SERVERS 32

struct server {
    int device;
    int file;
    struct fuse_orders orders;
};

static void *serve(void *opaque)
{
    struct server *server = opaque;

    fuse_serve(server->device, server->file, -1, true, &server->orders);
    return NULL;
}

static pid_t start_server(int device, int file, unsigned read_us)
{
    const pid_t pid = fuse_fork_server();

    if (pid > 0) {
        return pid;
    }
    struct server server = { .device = device, .file = file };
    pthread_t threads[SERVERS];

    server.orders.slow_us = read_us;
    for (size_t i = 0; i < SERVERS; i++) {
        threads[i] = thread_start(serve, &server, -1);
    }
    for (size_t i = 0; i < SERVERS; i++) {
        thread_join(threads[i]);
    }
    _exit(0);
}

/* In a namespace of this process, a file system that is nothing but a file; -1 where that is not allowed. */
static int mount_file(const char *path)
{
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    if (device < 0) {
        warn("no rows with a slow source: /dev/fuse");
        return -1;
    }
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        fuse_mount(device, path, "uffd-incoming-bench") != 0) {
        warn("no rows with a slow source: a file system cannot be mounted (CAP_SYS_ADMIN is needed)");
        close(device);
        return -1;
    }
    return device;
}

bool slow_image_new(struct slow_image *slow, const char *path, size_t length, unsigned read_us)
{
    slow->behind = image_new(path, length, ZEROS_NONE);
    slow->image = slow->behind;
    if (asprintf(&slow->image.path, "%s.slow", path) < 0) {
        err(2, "asprintf");
    }
    int point = open(slow->image.path, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);

    if (point < 0 || close(point) != 0) {
        err(2, "%s", slow->image.path);
    }
    int device = mount_file(slow->image.path);

    if (device < 0) {
        unlink(slow->image.path);
        free(slow->image.path);
        image_free(&slow->behind);
        return false;
    }
    slow->server = start_server(device, slow->behind.fd, read_us);
    close(device);
    slow->image.fd = open(slow->image.path, O_RDONLY | O_CLOEXEC);
    if (slow->image.fd < 0) {
        err(2, "%s", slow->image.path);
    }
    return true;
}

void slow_image_free(struct slow_image *slow)
{
    int status;

    if (close(slow->image.fd) != 0 || umount2(slow->image.path, MNT_DETACH) != 0 ||
        waitpid(slow->server, &status, 0) != slow->server || status != 0 || unlink(slow->image.path) != 0) {
        err(2, "%s", slow->image.path);
    }
    free(slow->image.path);
    image_free(&slow->behind);
}
