/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "real-snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "../demo/plain-read.h"
#include "ram-contents.h"
#include "snapshot-load.h"

const char *real_snapshot_path(void)
{
    const char *path = getenv("UFFD_TEST_SNAPSHOT");

    if (path == NULL) {
        FAIL("expected the path of a snapshot in the environment as UFFD_TEST_SNAPSHOT");
    }
    return path;
}

void vm_add_real_ram(MigrationIncomingState *vm, enum ram_kind kind)
{
    struct plain_snapshot snapshot;

    plain_open(&snapshot, real_snapshot_path());
    for (size_t i = 0; i < snapshot.block_count; i++) {
        const struct plain_block *block = &snapshot.blocks[i];
        RAMBlock *rb = ram_new(kind, block->length / HOST_PAGE);

        CHECK(strlen(block->idstr) < sizeof(rb->idstr));
        strcpy(rb->idstr, block->idstr);
        memset(rb->source, 0, rb->length);
        plain_read(&snapshot, block, rb->source);
        vm_add_block(vm, rb);
    }
    CHECK_EQ(snapshot.block_count, REAL_SNAPSHOT_BLOCKS);
    plain_close(&snapshot);
}

void check_real_load(enum ram_kind kind)
{
    MigrationIncomingState *vm = vm_new();
    UffdSnapshot *snapshot = open_snapshot(real_snapshot_path());

    vm_attach(vm);
    vm_add_real_ram(vm, kind);
    load(vm, snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    vm_end(vm);
    uffd_snapshot_close(snapshot);
}
