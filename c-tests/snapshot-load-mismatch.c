/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A load whose snapshot has other blocks than the mis is refused before anything is changed. */
#include <errno.h>

#include "ram-contents.h"
#include "resources.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define OLD_BYTE 0x3c

static struct snapshot_file *file;

static void check_refused(MigrationIncomingState *vm, const char *named)
{
    struct resources before;

    fill_ram(vm, OLD_BYTE);
    CHECK_OK(uffd_incoming_mark_received(vm, vm->blocks[0], 0, vm->blocks[0]->page_size));
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EINVAL);
    before = resources_count(vm);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EINVAL);
    CHECK_ERROR_HAS(named);
    CHECK_RESOURCES(vm, before);
    CHECK_FILLED(vm, OLD_BYTE);
    CHECK_EQ(vm_received(vm, vm->blocks[0], 0), 1);
    CHECK_ERRNO(uffd_incoming_pause(vm), -EINVAL); /* is not armed */
}

/* Forgets the last block, and knows it again with another length. */
static void set_last_length(MigrationIncomingState *vm, size_t length)
{
    RAMBlock *rb = vm->blocks[vm->block_count - 1];
    UffdRamBlock block = ram_describe(rb);

    CHECK_OK(uffd_incoming_remove_ram_block(vm, rb));
    block.length = length;
    CHECK_OK(uffd_incoming_add_ram_block(vm, rb, &block));
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    RAMBlock *last = vm_add_ram(vm, RAM_MEMFD_SHARED, 64);

    file = snapshot_file_of(vm);

    set_last_length(vm, last->length / 2);
    check_refused(vm, last->idstr);
    set_last_length(vm, last->length);

    CHECK_OK(uffd_incoming_remove_ram_block(vm, last));
    check_refused(vm, last->idstr);
    vm->block_count--;
    vm_add_block(vm, last);

    RAMBlock *extra = vm_add_ram(vm, RAM_ANON, 16);
    check_refused(vm, extra->idstr);
    CHECK_OK(uffd_incoming_remove_ram_block(vm, extra));
    vm->block_count--;
    ram_free(extra);

    /* The snapshot and the VM are the same again: nothing above was refused for another reason. */
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
