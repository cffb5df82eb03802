/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uffd_snapshot_block() lists every block of the real snapshot in the file's order, and then ends. */
#include <errno.h>
#include <string.h>

#include "real-snapshot.h"
#include "snapshot-load.h"

/* Data pages: see the bitmaps in the file. */
static const UffdSnapshotBlock expected[REAL_SNAPSHOT_BLOCKS] = {
    { .idstr = "pc.ram", .length = 16 << 20, .data_bytes = 62 * 4096 },
    { .idstr = "/rom@etc/acpi/tables", .length = 128 << 10, .data_bytes = 3 * 4096 },
    { .idstr = "pc.bios", .length = 256 << 10, .data_bytes = 46 * 4096 },
    { .idstr = "pc.rom", .length = 128 << 10, .data_bytes = 0 },
    { .idstr = "/rom@etc/table-loader", .length = 4096, .data_bytes = 4096 },
    { .idstr = "/rom@etc/acpi/rsdp", .length = 4096, .data_bytes = 4096 },
};

int main(void)
{
    UffdSnapshot *snapshot = open_snapshot(real_snapshot_path());
    UffdSnapshotBlock seen = { .size = sizeof(seen) };

    for (size_t i = 0; i < REAL_SNAPSHOT_BLOCKS; i++) {
        CHECK_OK(uffd_snapshot_block(snapshot, i, &seen));
        CHECK_EQ(seen.size, sizeof(seen));
        if (strcmp(seen.idstr, expected[i].idstr) != 0) {
            FAIL("block %zu: expected %s, saw %s", i, expected[i].idstr, seen.idstr);
        }
        CHECK_EQ(seen.length, expected[i].length);
        CHECK_EQ(seen.page_size, 4096);
        CHECK_EQ(seen.data_bytes, expected[i].data_bytes);
    }

    const UffdSnapshotBlock before = seen;
    CHECK_ERRNO(uffd_snapshot_block(snapshot, REAL_SNAPSHOT_BLOCKS, &seen), -ENOENT);
    CHECK_ERRNO(uffd_snapshot_block(snapshot, SIZE_MAX, &seen), -ENOENT);
    CHECK(memcmp(&seen, &before, sizeof(seen)) == 0);

    CHECK_ERRNO(uffd_snapshot_block(snapshot, 0, NULL), -EINVAL);
    CHECK_ERRNO(uffd_snapshot_block(NULL, 0, &seen), -EINVAL);
    seen.size = sizeof(seen) - 1;
    CHECK_ERRNO(uffd_snapshot_block(snapshot, 0, &seen), -EINVAL);
    uffd_snapshot_close(snapshot);
    return 0;
}
