/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A load refuses a private mapping of a file with data, which cannot be emptied. The file keeps its content. */
#include <errno.h>
#include <string.h>

#include "snapshot-file.h"

#define OLD_BYTE 0x3c

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    RAMBlock *private = vm_add_ram(vm, RAM_MEMFD_PRIVATE, 64);
    const uint8_t byte = OLD_BYTE;

    vm_add_ram(vm, RAM_ANON, 64);
    struct snapshot_file *file = snapshot_file_of(vm);
    memset(vm->blocks[0]->host, OLD_BYTE, vm->blocks[0]->length);
    CHECK_EQ(pwrite(private->fd, &byte, 1, 50 * private->page_size), 1);

    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EINVAL);
    CHECK_ERROR_HAS(private->idstr);
    CHECK_EQ(*vm->blocks[0]->host, OLD_BYTE);
    CHECK_EQ(*ram_page(private, 50), OLD_BYTE);
    CHECK_EQ(vm_stats(vm).fault_threads, 0);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
