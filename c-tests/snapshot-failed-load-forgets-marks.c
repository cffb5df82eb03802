/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A block has pages that are marked received, and a load whose ram_blocks adds the same memory fails. If it fails
 * after the RAM was emptied, the block returns without its marks. If it fails before, the marks stay.
 */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-file.h"

#define PAGES 16

static RAMBlock listed;
static int setup_done_result;

static int ram_blocks(MigrationIncomingState *vm)
{
    UffdRamBlock block = ram_describe(&listed);

    return uffd_incoming_add_ram_block(vm, &listed, &block);
}

static int setup_done(MigrationIncomingState *vm)
{
    (void)vm;
    return setup_done_result;
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);

    CHECK_OK(uffd_incoming_mark_received(vm, rb, 0, rb->length));
    vm->config.ram_blocks = ram_blocks;
    vm->config.setup_done = setup_done;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));

    /* The snapshot has no block of that name. */
    listed = *rb;
    listed.idstr[0] = 'X';
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EINVAL);
    CHECK_EQ(vm_received(vm, rb, 0), 1);

    listed = *rb;
    setup_done_result = -ESTALE;
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -ESTALE);
    for (size_t page = 0; page < PAGES; page++) {
        CHECK_EQ(vm_received(vm, rb, page), 0);
    }

    setup_done_result = 0;
    CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, NULL));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
