/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A flat image on a file system that reports data as a hole while it is only in memory, as OpenZFS did. The library
 * has the file written back first; otherwise the RAM would be all zeros.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-load.h"
#include "storage.h"

#define PAGES 64

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_new(vm);
    char *description = scratch_path("description");

    file->layout.page = snapshot_data_page;
    snapshot_file_write(file);
    struct storage *storage = storage_of_file(file, true);
    storage->orders->hides_data = true;
    FILE *text = fopen(description, "w");
    CHECK(text != NULL);
    CHECK(fprintf(text, "uffd-incoming flat 1\nimage %s\nblock %" PRIu64 " %zu %s\n", storage->path,
                  file->blocks[0].pages_offset, rb->length, rb->idstr) > 0);
    CHECK_EQ(fclose(text), 0);

    UffdSnapshot *flat = open_snapshot(description);
    CHECK(storage->orders->syncs > 0);
    load(vm, flat, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    uffd_snapshot_close(flat);
    vm_end(vm);
    storage_free(storage);
    free(description);
    return 0;
}
