/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * UFFD_LOAD_DIRECT_IO of a file on a disk leaves none of its pages in the page cache; without the flag they stay
 * there. Pages that are cached already are used either way, if Linux reports them. Every byte is right.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "page-cache.h"
#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"

#define PAGES 8192

/* Of the file: what opening it reads, with what is read ahead of that; and what is too little for a direct read. */
#define MOST_AROUND ((size_t)1 << 20)

enum file_is { COLD, CACHED };

/* How many bytes this process has had read from disks. */
static uint64_t read_from_disks(void)
{
    FILE *io = fopen("/proc/self/io", "r");
    char line[64];
    uint64_t bytes = UINT64_MAX;

    CHECK(io != NULL);
    while (fgets(line, sizeof(line), io) != NULL) {
        (void)sscanf(line, "read_bytes: %" SCNu64, &bytes);
    }
    fclose(io);
    CHECK(bytes != UINT64_MAX);
    return bytes;
}

static void check_load(const char *path, uint64_t flags, enum file_is file_is)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = flags };
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_new(vm);

    close(file->fd);
    file->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(file->fd >= 0);
    file->layout.page = snapshot_data_page;
    snapshot_file_write(file);
    if (file_is == CACHED) {
        page_cache_fill(file->fd);
    } else {
        page_cache_drop(file->fd);
        if (page_cache_bytes(file->fd) > 0) {
            SKIP("%s is not on a disk: a file there never leaves memory", path);
        }
    }
    snapshot_file_open(file);
    const uint64_t read_before = read_from_disks();
    CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, &config));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    const uint64_t read = read_from_disks() - read_before;
    /* The kernel may drop a little of what is in the page cache at any time. */
    if (file_is == CACHED) {
        CHECK(read <= rb->length / 4);
    } else if (flags & UFFD_LOAD_DIRECT_IO) {
        CHECK(read >= rb->length);
        CHECK(page_cache_bytes(file->fd) <= MOST_AROUND);
    } else {
        CHECK(page_cache_bytes(file->fd) >= rb->length - rb->length / 4);
    }
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    char *path = scratch_path("snapshot");

    check_load(path, 0, COLD);
    check_load(path, UFFD_LOAD_DIRECT_IO, COLD);
    check_load(path, 0, CACHED);
    if (page_cache_is_told()) {
        check_load(path, UFFD_LOAD_DIRECT_IO, CACHED);
    } else {
        puts("This kernel does not tell what the page cache holds (cachestat, Linux 6.5): that it is used was not tested.");
    }
    free(path);
    return 0;
}
