/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uffd_snapshot_next_data() finds all data of the real snapshot, and uffd_snapshot_read() reads it: the RAM is the same as
 * after a load, without userfaultfd.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "real-snapshot.h"
#include "snapshot-load.h"

/* As docs/loading.md shows it. */
static int restore_at_once(UffdSnapshot *snapshot, size_t index, uint8_t *host)
{
    UffdSnapshotRun run = { .size = sizeof(run) };
    int ret;

    while ((ret = uffd_snapshot_next_data(snapshot, index, run.offset + run.length, &run)) == 0) {
        ret = uffd_snapshot_read(snapshot, index, run.offset, host + run.offset, run.length);
        if (ret != 0) {
            return ret;
        }
    }
    return ret == -ENXIO ? 0 : ret;
}

static bool is_zeros(const uint8_t *bytes, size_t length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* Runs do not touch, are where the file says, and are data; between them are zeros. */
static void check_runs(UffdSnapshot *snapshot, size_t index, const UffdSnapshotBlock *block, const uint8_t *host, int file)
{
    UffdSnapshotRun run = { .size = sizeof(run) };
    uint64_t end = 0, bytes = 0;

    while (uffd_snapshot_next_data(snapshot, index, end, &run) == 0) {
        uint8_t *in_file = malloc(run.length);

        CHECK_EQ(run.size, sizeof(run));
        CHECK(run.length > 0 && (run.offset > end || end == 0) && run.offset + run.length <= block->length);
        CHECK(is_zeros(host + end, run.offset - end));
        CHECK(in_file != NULL);
        CHECK_EQ(pread(file, in_file, run.length, (off_t)run.file_offset), (ssize_t)run.length);
        CHECK(memcmp(in_file, host + run.offset, run.length) == 0);
        free(in_file);
        bytes += run.length;
        end = run.offset + run.length;
    }
    CHECK(is_zeros(host + end, block->length - end));
    CHECK_EQ(bytes, block->data_bytes);
}

static void check_block(UffdSnapshot *snapshot, size_t index, const UffdSnapshotBlock *block, int file)
{
    uint8_t *host = calloc(1, block->length), *whole = malloc(block->length);

    CHECK(host != NULL && whole != NULL);
    CHECK_OK(restore_at_once(snapshot, index, host));
    memset(whole, 0x55, block->length);
    CHECK_OK(uffd_snapshot_read(snapshot, index, 0, whole, block->length));
    CHECK(memcmp(whole, host, block->length) == 0);
    check_runs(snapshot, index, block, host, file);
    free(whole);
    free(host);
}

/* From within a run on, the rest of it. */
static void check_inside(UffdSnapshot *snapshot)
{
    UffdSnapshotRun run = { .size = sizeof(run) }, rest = { .size = sizeof(rest) };
    uint8_t byte, page[4096];

    CHECK_OK(uffd_snapshot_next_data(snapshot, 0, 0, &run));
    CHECK_OK(uffd_snapshot_next_data(snapshot, 0, run.offset + 1, &rest));
    CHECK_EQ(rest.offset, run.offset + 1);
    CHECK_EQ(rest.length, run.length - 1);
    CHECK_EQ(rest.file_offset, run.file_offset + 1);

    /* Bytes need not be whole pages. */
    CHECK_OK(uffd_snapshot_read(snapshot, 0, run.offset, page, sizeof(page)));
    CHECK_OK(uffd_snapshot_read(snapshot, 0, run.offset + 4095, &byte, 1));
    CHECK_EQ(byte, page[4095]);
    CHECK_OK(uffd_snapshot_read(snapshot, 0, run.offset, &byte, 0));
}

static void check_errors(UffdSnapshot *snapshot)
{
    UffdSnapshotRun run = { .size = sizeof(run), .offset = 1, .length = 2, .file_offset = 3 };
    const UffdSnapshotRun before = run;
    uint8_t byte = 7;

    CHECK_ERRNO(uffd_snapshot_next_data(snapshot, REAL_SNAPSHOT_BLOCKS, 0, &run), -ENOENT);
    CHECK_ERRNO(uffd_snapshot_next_data(snapshot, 0, 16 << 20, &run), -ENXIO);
    CHECK_ERRNO(uffd_snapshot_next_data(snapshot, 0, UINT64_MAX, &run), -ENXIO);
    CHECK_ERRNO(uffd_snapshot_next_data(NULL, 0, 0, &run), -EINVAL);
    CHECK_ERRNO(uffd_snapshot_next_data(snapshot, 0, 0, NULL), -EINVAL);
    run.size--;
    CHECK_ERRNO(uffd_snapshot_next_data(snapshot, 0, 0, &run), -EINVAL);
    run.size++;
    CHECK(memcmp(&run, &before, sizeof(run)) == 0);

    CHECK_ERRNO(uffd_snapshot_read(snapshot, SIZE_MAX, 0, &byte, 1), -ENOENT);
    CHECK_ERRNO(uffd_snapshot_read(snapshot, 0, 16 << 20, &byte, 1), -EINVAL);
    CHECK_ERRNO(uffd_snapshot_read(snapshot, 0, UINT64_MAX, &byte, 1), -EINVAL);
    CHECK_ERRNO(uffd_snapshot_read(snapshot, 0, 0, &byte, SIZE_MAX), -EINVAL);
    CHECK_ERRNO(uffd_snapshot_read(snapshot, 0, 0, NULL, 1), -EINVAL);
    CHECK_ERRNO(uffd_snapshot_read(NULL, 0, 0, &byte, 1), -EINVAL);
    CHECK_EQ(byte, 7);
}

int main(void)
{
    UffdSnapshot *snapshot = open_snapshot(real_snapshot_path());
    UffdSnapshotBlock block = { .size = sizeof(block) };
    const int file = open(real_snapshot_path(), O_RDONLY | O_CLOEXEC);

    CHECK(file >= 0);
    for (size_t i = 0; i < REAL_SNAPSHOT_BLOCKS; i++) {
        CHECK_OK(uffd_snapshot_block(snapshot, i, &block));
        check_block(snapshot, i, &block, file);
    }
    check_inside(snapshot);
    check_errors(snapshot);
    CHECK_OK(close(file));
    uffd_snapshot_close(snapshot);
    return 0;
}
