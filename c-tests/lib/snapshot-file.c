/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "snapshot-file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "page-cache.h"
#include "scratch.h"

#define STALE_BYTE 0xee

enum page_kind snapshot_page_kind(uint64_t page)
{
    if (page % 2048 >= 1536) {
        return page % 2 == 0 ? PAGE_ZERO : PAGE_STALE;
    }
    switch (page % 8) {
    case 5:
        return PAGE_ZERO;
    case 6:
        return PAGE_STALE;
    default:
        return PAGE_DATA;
    }
}

enum page_kind snapshot_page(const struct snapshot_file *file, size_t block, uint64_t page, enum page_kind kind, void *bytes)
{
    const size_t size = file->layout.target_page_size;
    uint8_t *source = file->vm->blocks[block]->source + page * size;

    if (kind == PAGE_DATA) {
        memcpy(bytes, source, size);
    } else {
        memset(bytes, STALE_BYTE, size);
        memset(source, 0, size);
    }
    return kind;
}

static enum page_kind write_page(const void *file, size_t block, uint64_t page, void *bytes)
{
    return snapshot_page(file, block, page, snapshot_page_kind(page), bytes);
}

enum page_kind snapshot_data_page(const void *file, size_t block, uint64_t page, void *bytes)
{
    return snapshot_page(file, block, page, PAGE_DATA, bytes);
}

static bool is_on_disk(void)
{
    return getenv("UFFD_TEST_DIRECT_IO") != NULL;
}

struct snapshot_file *snapshot_file_new(MigrationIncomingState *vm)
{
    struct snapshot_file *file = calloc(1, sizeof(*file));

    CHECK(file != NULL);
    file->vm = vm;
    file->fd = is_on_disk() ? scratch_file() : memfd_create("snapshot", MFD_CLOEXEC);
    CHECK(file->fd >= 0);
    for (unsigned i = 0; i < vm->block_count; i++) {
        file->blocks[i].idstr = vm->blocks[i]->idstr;
        file->blocks[i].length = vm->blocks[i]->length;
    }
    file->layout = (struct mapped_ram_file) {
        .target_page_size = HOST_PAGE,
        .blocks = file->blocks,
        .block_count = vm->block_count,
        .page = write_page,
        .opaque = file,
    };
    return file;
}

void snapshot_file_write(struct snapshot_file *file)
{
    if (mapped_ram_write(file->fd, &file->layout) != 0) {
        FAIL("cannot write the snapshot: %s", strerror(errno));
    }
    if (is_on_disk()) {
        page_cache_drop(file->fd);
    }
}

void snapshot_file_open(struct snapshot_file *file)
{
    file->snapshot = uffd_snapshot_open_fd(file->fd, file->layout.start);
    if (file->snapshot == NULL) {
        FAIL("expected a snapshot, saw %s: %s", strerror(errno), uffd_incoming_error());
    }
}

struct snapshot_file *snapshot_file_of(MigrationIncomingState *vm)
{
    struct snapshot_file *file = snapshot_file_new(vm);

    snapshot_file_write(file);
    snapshot_file_open(file);
    return file;
}

void snapshot_file_free(struct snapshot_file *file)
{
    uffd_snapshot_close(file->snapshot);
    close(file->fd);
    free(file);
}
