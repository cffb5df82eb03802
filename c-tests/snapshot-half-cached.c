/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The page cache holds the first half of each 2 MiB of a file on a disk. Every byte is right, with and without
 * UFFD_LOAD_DIRECT_IO. Each byte is read once, and cached data is not waited for.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "page-cache.h"
#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define UNIT ((size_t)2 << 20)
#define UNITS 16
#define PAGES (UNITS * UNIT / HOST_PAGE)

/* Nothing is read ahead, neither here nor for the library, which reads by the same open file. */
static void cache_half(const struct snapshot_file *file)
{
    static char bytes[UNIT / 2];

    page_cache_drop(file->fd);
    CHECK_EQ(posix_fadvise(file->fd, 0, 0, POSIX_FADV_RANDOM), 0);
    for (size_t unit = 0; unit < UNITS; unit++) {
        const off_t at = (off_t)(file->blocks[0].pages_offset + unit * UNIT);

        CHECK_EQ(pread(file->fd, bytes, sizeof(bytes), at), sizeof(bytes));
    }
}

/* How many bytes this process has read so far, from wherever. */
static uint64_t bytes_read(void)
{
    FILE *file = fopen("/proc/self/io", "r");
    uint64_t bytes;

    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "rchar: %" SCNu64, &bytes), 1);
    fclose(file);
    return bytes;
}

static bool has_direct_reads(int fd)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const int direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    return direct >= 0 && close(direct) == 0;
}

static void check_load(uint64_t flags)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = flags };
    const bool directly = (flags & UFFD_LOAD_DIRECT_IO) != 0;
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    vm_add_block(vm, ram_new_aligned(RAM_ANON, PAGES, true));
    struct snapshot_file *file = snapshot_file_new(vm);

    close(file->fd);
    file->fd = scratch_file();
    file->layout.page = snapshot_data_page;
    snapshot_file_write(file);
    cache_half(file);
    snapshot_file_open(file);
    const size_t cached = page_cache_bytes(file->fd);
    const uint64_t read_before = bytes_read();
    CHECK_OK((directly ? load_directly : uffd_incoming_load_snapshot)(vm, file->snapshot, &config));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK(bytes_read() - read_before < (uint64_t)UNITS * UNIT + UNIT);
    if (directly && has_direct_reads(file->fd)) {
        CHECK(page_cache_bytes(file->fd) <= cached); /* the kernel may drop cached pages at any time */
    } else {
        CHECK(page_cache_bytes(file->fd) >= (UNITS - 1) * UNIT); /* it may drop some here, too */
    }
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_load(0);
    check_load(UFFD_LOAD_DIRECT_IO);
    return 0;
}
