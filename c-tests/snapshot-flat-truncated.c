/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A flat image that is truncated during a load pauses the load: lost pages are not taken for holes. */
#include <errno.h>
#include <stdio.h>

#include "flat-file.h"
#include "ram-contents.h"
#include "snapshot-load.h"

#define PAGES 16

int main(void)
{
    struct flat_file file = flat_file_new(PAGES * HOST_PAGE);
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct toucher toucher;
    char text[128];

    snprintf(text, sizeof(text), "uffd-incoming flat 1\nimage image\nblock 0 %zu %s\n", rb->length,
             rb->idstr);
    flat_file_describe(&file, text);
    CHECK_EQ(pwrite(file.image_fd, rb->source, rb->length, 0), rb->length);

    UffdSnapshot *snapshot = open_snapshot(file.description);
    load(vm, snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_EQ(ftruncate(file.image_fd, 3 * HOST_PAGE), 0);
    CHECK_PAGE(rb, 2);
    touch_read(&toucher, ram_page(rb, 3));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_WAITS(&toucher);

    CHECK_EQ(pwrite(file.image_fd, rb->source, rb->length, 0), rb->length);
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram_source(rb, 3));
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));

    uffd_snapshot_close(snapshot);
    vm_end(vm);
    flat_file_remove(&file);
    return 0;
}
