/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * RAM in a tmpfs that is smaller than the RAM, and larger than the snapshot's data. Zeros take no room, whether the
 * snapshot has them as zero pages or as data.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "scratch.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define MIB ((size_t)1 << 20)
#define PAGES (1024 * MIB / 4096)

/* A quarter of the pages of every tenth MiB. */
static bool is_data(uint64_t page)
{
    return page / 256 % 10 == 0 && page % 4 == 0;
}

static enum page_kind write_page(const void *opaque, size_t block, uint64_t page, void *bytes)
{
    const struct snapshot_file *file = opaque;
    uint8_t *source = file->vm->blocks[block]->source + page * HOST_PAGE;

    if (is_data(page)) {
        memset(source, (int)(1 + page / 4 % 255), HOST_PAGE);
        return snapshot_data_page(file, block, page, bytes);
    }
    return PAGE_ZERO;
}

/* Puts a file of a tmpfs of 64 MiB behind the RAM. */
static void move_to_tmpfs(RAMBlock *rb)
{
    char *directory = scratch_path("small");
    char path[256];

    if (unshare(CLONE_NEWNS) != 0) {
        SKIP("mounting a tmpfs takes CAP_SYS_ADMIN");
    }
    CHECK_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    CHECK_EQ(mkdir(directory, 0700), 0);
    CHECK_EQ(mount("small", directory, "tmpfs", 0, "size=64m"), 0);
    snprintf(path, sizeof(path), "%s/ram", directory);
    close(rb->fd);
    rb->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(rb->fd >= 0);
    CHECK_EQ(umount2(directory, MNT_DETACH), 0);
    CHECK_EQ(rmdir(directory), 0);
    CHECK_EQ(ftruncate(rb->fd, (off_t)rb->length), 0);
    CHECK(mmap(rb->host, rb->length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, rb->fd, 0) == rb->host);
    free(directory);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    RAMBlock *rb = ram_new_sparse(RAM_MEMFD_SHARED, PAGES);

    move_to_tmpfs(rb);
    vm_attach(vm);
    vm_add_block(vm, rb);
    struct snapshot_file *file = snapshot_file_new(vm);
    file->layout.page = write_page;
    snapshot_file_write(file);
    snapshot_file_open(file);
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    for (size_t page = 0; page < PAGES; page++) {
        if (is_data(page)) {
            CHECK_PAGE(rb, page);
        }
    }
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
