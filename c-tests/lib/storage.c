/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "page-cache.h"
#include "scratch.h"
#include "snapshot-load.h"

/* Ends a process that nobody ends, a little before the watchdog of its test. */
#define SERVER_SECONDS 25

static int open_device(void)
{
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    if (device < 0) {
        SKIP("/dev/fuse: %s; it is needed, as root, with the kernel's module fuse", strerror(errno));
    }
    return device;
}

/* Mounts a file system that is nothing but a file. */
static void mount_file(const char *path, int device)
{
    if (unshare(CLONE_NEWNS) != 0) {
        SKIP("a mount namespace: %s; CAP_SYS_ADMIN is needed", strerror(errno));
    }
    CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    CHECK_EQ(close(open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0600)), 0);
    if (fuse_mount(device, path, "uffd-incoming-test") != 0) {
        FAIL("mounting %s: %s", path, strerror(errno));
    }
}

static pid_t start_server(const struct storage *storage, int device, bool cached)
{
    const pid_t pid = fuse_fork_server();

    if (pid == 0) {
        alarm(SERVER_SECONDS);
        fuse_serve(device, storage->file->fd, storage->wake, cached, storage->orders);
        _exit(0);
    }
    return pid;
}

struct storage *storage_of_file(struct snapshot_file *file, bool cached)
{
    struct storage *storage = calloc(1, sizeof(*storage));
    const int device = open_device();

    CHECK(storage != NULL);
    storage->path = scratch_path("snapshot");
    storage->file = file;
    storage->orders =
        mmap(NULL, sizeof(*storage->orders), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(storage->orders != MAP_FAILED);
    storage->wake = eventfd(0, EFD_CLOEXEC);
    CHECK(storage->wake >= 0);

    mount_file(storage->path, device);
    storage->pid = start_server(storage, device, cached);
    CHECK_EQ(close(device), 0);
    storage->file->snapshot = open_snapshot(storage->path);
    return storage;
}

struct storage *storage_of(MigrationIncomingState *vm, bool cached)
{
    struct snapshot_file *file = snapshot_file_new(vm);

    snapshot_file_write(file);
    return storage_of_file(file, cached);
}

void storage_free(struct storage *storage)
{
    int status;

    snapshot_file_free(storage->file);
    CHECK_EQ(umount2(storage->path, MNT_DETACH), 0);
    if (storage->pid > 0) {
        /* Nobody has the file open any more, or this would not end. */
        CHECK_EQ(waitpid(storage->pid, &status, 0), storage->pid);
        CHECK_EQ(status, 0);
    }
    CHECK_EQ(remove(storage->path), 0);
    CHECK_EQ(munmap(storage->orders, sizeof(*storage->orders)), 0);
    close(storage->wake);
    free(storage->path);
    free(storage);
}

void storage_forget_cached(const struct storage *storage)
{
    int fd = open(storage->path, O_RDONLY);

    CHECK(fd >= 0);
    page_cache_drop(fd);
    close(fd);
}

static void set_mood(struct storage *storage, enum fuse_mood mood)
{
    const uint64_t one = 1;

    storage->orders->mood = mood;
    CHECK_EQ(write(storage->wake, &one, sizeof(one)), sizeof(one));
}

static void concern(struct storage *storage, enum fuse_mood mood, size_t page, size_t pages)
{
    const struct snapshot_file *file = storage->file;

    CHECK_EQ(storage->orders->mood, FUSE_WELL);
    storage->orders->from = file->blocks[0].pages_offset + page * file->layout.target_page_size;
    storage->orders->end = storage->orders->from + pages * file->layout.target_page_size;
    set_mood(storage, mood);
}

void storage_is_asked_ahead(const struct storage *storage, size_t page, size_t pages)
{
    const struct snapshot_file *file = storage->file;
    const uint64_t size = file->layout.target_page_size;
    int fd = open(storage->path, O_RDONLY);

    CHECK(fd >= 0);
    CHECK_EQ(posix_fadvise(fd, (off_t)(file->blocks[0].pages_offset + page * size), (off_t)(pages * size), POSIX_FADV_WILLNEED), 0);
    close(fd);
    AWAIT(storage->orders->held > 0);
}

void storage_fails(struct storage *storage, size_t page, size_t pages)
{
    storage_fails_with(storage, EIO, page, pages);
}

void storage_fails_with(struct storage *storage, int error, size_t page, size_t pages)
{
    storage->orders->error = error;
    concern(storage, FUSE_FAILS, page, pages);
}

void storage_hangs(struct storage *storage, size_t page, size_t pages)
{
    concern(storage, FUSE_HANGS, page, pages);
}

void storage_heals(struct storage *storage)
{
    set_mood(storage, FUSE_WELL);
}

void storage_dies(struct storage *storage)
{
    CHECK_EQ(kill(storage->pid, SIGKILL), 0);
    CHECK_EQ(waitpid(storage->pid, NULL, 0), storage->pid);
    storage->pid = 0;
}

void storage_is_cut_off(struct storage *storage)
{
    CHECK_EQ(umount2(storage->path, MNT_FORCE), -1);
    CHECK_EQ(errno, EBUSY); /* the file is open */
}
