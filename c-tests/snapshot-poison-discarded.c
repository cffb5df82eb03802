/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A poisoned page that is discarded is missing again. Touching it reads the file again: the page is poisoned again,
 * or loaded if the file is whole. This holds for concurrent faulters, too. With tracked discards the page is zeros.
 */
#include <errno.h>
#include <unistd.h>

#include "concurrent-faulters.h"
#include "sigbus.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 2048
#define CUT_PAGE 1000
#define LOST_PAGE 1024

int main(void)
{
    need_poison();
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);
    const off_t whole = lseek(file->fd, 0, SEEK_END);

    CHECK_EQ(snapshot_page_kind(LOST_PAGE), PAGE_DATA);
    CHECK_EQ(ftruncate(file->fd, file->blocks[0].pages_offset + CUT_PAGE * rb->page_size), 0);
    load(vm, file->snapshot, 0);
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    for (int round = 0; round < 3; round++) {
        fault_concurrently(rb, CUT_PAGE);
        ram_discard(rb, LOST_PAGE, 1);
        if (vm->config.flags & UFFD_INCOMING_TRACK_DISCARDS) {
            CHECK_ZEROS(rb, LOST_PAGE);
        } else {
            CHECK_SIGBUS(rb, LOST_PAGE);
        }
    }
    fault_concurrently(rb, CUT_PAGE);
    ram_discard(rb, LOST_PAGE, 1);
    CHECK_EQ(ftruncate(file->fd, whole), 0);
    CHECK(!is_sigbus(ram_page(rb, LOST_PAGE)));
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
