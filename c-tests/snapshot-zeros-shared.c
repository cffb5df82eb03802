/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Zeros of shared RAM take no memory, even if they lie between data in runs of any length. They count as loaded
 * without being placed, also where a virtio-mem device has plugged only a part of the RAM. Threads that touch them
 * during the load see zeros.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "snapshot-file.h"
#include "snapshot-load.h"

#define MIB ((size_t)1 << 20)
#define PAGES (1024 * MIB / 4096)

/* 16 MiB of data: of every 64 MiB there is 1 MiB, of which every other page is data, and the same again. */
static bool is_data(uint64_t page)
{
    return page % 16384 < 512 && page % 2 == 0;
}

static enum page_kind write_page(const void *opaque, size_t block, uint64_t page, void *bytes)
{
    const struct snapshot_file *file = opaque;
    uint8_t *source = file->vm->blocks[block]->source + page * HOST_PAGE;

    if (!is_data(page)) {
        return PAGE_ZERO;
    }
    memset(source, (int)(1 + page / 2 % 255), HOST_PAGE);
    return snapshot_data_page(file, block, page, bytes);
}

static size_t bytes_held(const RAMBlock *rb)
{
    struct stat status;

    CHECK_EQ(fstat(rb->fd, &status), 0);
    return (size_t)status.st_blocks * 512;
}

/* Where there is data. Reading a hole of a mapping would fill it; reading one of the file does not. */
static void check_file(const RAMBlock *rb)
{
    static uint8_t bytes[4 * MIB];

    for (size_t at = 0; at < rb->length; at += 64 * MIB) {
        CHECK_EQ(pread(rb->fd, bytes, sizeof(bytes), (off_t)at), sizeof(bytes));
        CHECK(memcmp(bytes, rb->source + at, sizeof(bytes)) == 0);
    }
}

static void in_background(MigrationIncomingState *vm, UffdSnapshot *snapshot, uint64_t flags)
{
    RAMBlock *rb = vm->blocks[0];
    const size_t data = PAGES / 16384 * 256 * rb->page_size;

    load(vm, snapshot, flags);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(vm_stats(vm).bytes_loaded, rb->length);
    check_file(rb);
    CHECK_EQ(bytes_held(rb), data); /* and so all else is holes */
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_ZEROS(rb, 1);
    CHECK_ZEROS(rb, PAGES - 1);
}

static void on_demand(MigrationIncomingState *vm, UffdSnapshot *snapshot)
{
    RAMBlock *rb = vm->blocks[0];

    load(vm, snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_EQ(vm_received(vm, rb, 512), 1);
    CHECK_EQ(bytes_held(rb), 0);
    CHECK_ZEROS(rb, 600);
    CHECK_EQ(bytes_held(rb), rb->page_size);
    for (size_t page = 0; page < PAGES; page++) {
        if (page % 16384 < 512) {
            CHECK_EQ(*ram_page(rb, page), *ram_source(rb, page));
        }
    }
    CHECK_OK(uffd_incoming_wait(vm, 0));
    check_file(rb);
    CHECK_OK(uffd_incoming_cleanup(vm));
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    vm_add_block(vm, ram_new_sparse(RAM_MEMFD_SHARED, PAGES));
    struct snapshot_file *file = snapshot_file_new(vm);
    file->layout.page = write_page;
    snapshot_file_write(file);
    snapshot_file_open(file);

    memset(ram_page(vm->blocks[0], 100), 0x55, 100 * HOST_PAGE);
    in_background(vm, file->snapshot, 0);
    on_demand(vm, file->snapshot);
    ram_discard(vm->blocks[0], 0, PAGES);
    in_background(vm, file->snapshot, UFFD_LOAD_KEEP_PRESENT);
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
