/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A flat image with its description: blocks anywhere in the image, and holes, which are zeros. */
#include <stdio.h>
#include <string.h>

#include "flat-file.h"
#include "ram-contents.h"
#include "snapshot-load.h"

#define PAGES 64

/* Puts a block's source into the image, but for every fourth page: that is a hole, and zeros to the guest. */
static void write_block(const struct flat_file *file, const RAMBlock *rb, uint64_t offset)
{
    for (size_t page = 0; page < rb->pages; page++) {
        uint8_t *source = rb->source + page * rb->page_size;

        if (page % 4 == 3) {
            memset(source, 0, rb->page_size);
        } else {
            ssize_t written = pwrite(file->image_fd, source, rb->page_size, offset + page * rb->page_size);
            CHECK_EQ(written, rb->page_size);
        }
    }
}

static void check_block(UffdSnapshot *snapshot, size_t index, const RAMBlock *rb)
{
    UffdSnapshotBlock block = { .size = sizeof(block) };

    CHECK_OK(uffd_snapshot_block(snapshot, index, &block));
    CHECK(strcmp(block.idstr, rb->idstr) == 0);
    CHECK_EQ(block.length, rb->length);
    CHECK_EQ(block.page_size, 4096);
    CHECK_EQ(block.data_bytes, rb->length * 3 / 4);
}

int main(void)
{
    struct flat_file file = flat_file_new(8 << 20);
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    char text[256];

    vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    snprintf(text, sizeof(text),
             "uffd-incoming flat 1\n"
             "image image\n"
             "block 0x400000 0x%zx %s\n"
             "block 4096 %zu %s\n",
             vm->blocks[0]->length, vm->blocks[0]->idstr, vm->blocks[1]->length, vm->blocks[1]->idstr);
    flat_file_describe(&file, text);
    write_block(&file, vm->blocks[0], 0x400000);
    write_block(&file, vm->blocks[1], 4096);

    UffdSnapshot *snapshot = open_snapshot(file.description);
    check_block(snapshot, 0, vm->blocks[0]);
    check_block(snapshot, 1, vm->blocks[1]);
    load(vm, snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    uffd_snapshot_close(snapshot);
    vm_end(vm);
    flat_file_remove(&file);
    return 0;
}
