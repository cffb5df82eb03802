/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * RAM that maps the snapshot's own file: emptying it would destroy the snapshot. The load is refused, names the
 * block, and changes nothing. RAM that maps another part of the file is loaded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "snapshot-load.h"
#include "working-set.h"

#define PAGES 64
#define LENGTH ((uint64_t)PAGES * HOST_PAGE)

/* Maps the block's RAM anew: a part of a file. */
static void map_file(const RAMBlock *rb, int sharing, int fd, uint64_t offset)
{
    CHECK(mmap(rb->host, rb->length, PROT_READ | PROT_WRITE, sharing | MAP_FIXED, fd, (off_t)offset) == rb->host);
}

static void check_refused(MigrationIncomingState *vm, UffdSnapshot *snapshot, uint64_t flags, const RAMBlock *rb)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = flags };

    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, snapshot, &config), -EINVAL);
    CHECK_ERROR_HAS(rb->idstr);
    CHECK(strstr(uffd_incoming_error(), "map it shared") == NULL);
    CHECK_EQ(vm_stats(vm).fault_threads, 0);
}

/* `length` bytes of a file from an offset on are as they were. */
static void check_bytes(int fd, const uint8_t *expected, size_t length, uint64_t offset)
{
    uint8_t *seen = malloc(length);

    CHECK(seen != NULL);
    CHECK_EQ(pread(fd, seen, length, (off_t)offset), length);
    CHECK(memcmp(seen, expected, length) == 0);
    free(seen);
}

/* Two blocks in one image, behind each other; more of the image is of no block. */
static void check_flat(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *first = vm->blocks[0], *second = vm_add_ram(vm, RAM_ANON, PAGES);
    char *description = scratch_path("flat");
    FILE *text = fopen(description, "w");
    const int image = memfd_create("image", MFD_CLOEXEC);

    CHECK(image >= 0 && text != NULL);
    CHECK(fprintf(text, "uffd-incoming flat 1\nimage /proc/self/fd/%d\nblock 0 %d %s\nblock %d %d %s\n", image, (int)LENGTH,
                  first->idstr, (int)LENGTH, (int)LENGTH, second->idstr) > 0);
    CHECK_EQ(fclose(text), 0);
    CHECK_EQ(ftruncate(image, 3 * LENGTH), 0);
    CHECK_EQ(pwrite(image, first->source, LENGTH, 0), LENGTH);
    CHECK_EQ(pwrite(image, second->source, LENGTH, LENGTH), LENGTH);
    UffdSnapshot *snapshot = open_snapshot(description);
    fill_ram(vm, 0x55);

    map_file(first, MAP_SHARED, image, 0);
    check_refused(vm, snapshot, 0, first);
    map_file(first, MAP_PRIVATE, image, 0);
    check_refused(vm, snapshot, 0, first);
    /* The last page of it is the first one of another block. */
    map_file(first, MAP_SHARED, image, 2 * LENGTH - HOST_PAGE);
    check_refused(vm, snapshot, 0, first);
    check_refused(vm, snapshot, UFFD_LOAD_KEEP_PRESENT, first);
    for (size_t i = 0; i < second->length; i++) {
        CHECK_EQ(second->host[i], 0x55);
    }

    /* What is present stays: so does the image. */
    map_file(first, MAP_SHARED, image, 0);
    map_file(second, MAP_SHARED, image, LENGTH);
    load_working_set(vm, snapshot, UFFD_LOAD_KEEP_PRESENT, NULL, NULL);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    map_file(first, MAP_SHARED, image, 2 * LENGTH);
    map_file(second, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    load(vm, snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    check_bytes(image, first->source, LENGTH, 0);
    check_bytes(image, second->source, LENGTH, LENGTH);

    uffd_snapshot_close(snapshot);
    vm_end(vm);
    close(image);
    free(description);
}

/* Of a file of mapped-ram, all from the stream's start on is the snapshot's: the devices' state follows the RAM. */
static void check_mapped_ram(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_new(vm);

    close(file->fd);
    file->fd = memfd_create("snapshot", MFD_CLOEXEC);
    CHECK(file->fd >= 0);
    file->layout.start = LENGTH;
    file->layout.page = snapshot_data_page;
    snapshot_file_write(file);
    const uint64_t pages = file->blocks[0].pages_offset;
    CHECK_EQ(ftruncate(file->fd, (off_t)(pages + 3 * LENGTH)), 0);
    snapshot_file_open(file);

    map_file(rb, MAP_SHARED, file->fd, pages);
    check_refused(vm, file->snapshot, 0, rb);
    map_file(rb, MAP_SHARED, file->fd, pages + 2 * LENGTH);
    check_refused(vm, file->snapshot, 0, rb);
    map_file(rb, MAP_SHARED, file->fd, LENGTH - HOST_PAGE);
    check_refused(vm, file->snapshot, 0, rb);
    check_bytes(file->fd, rb->source, LENGTH, pages);

    map_file(rb, MAP_SHARED, file->fd, 0);
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_flat();
    check_mapped_ram();
    return 0;
}
