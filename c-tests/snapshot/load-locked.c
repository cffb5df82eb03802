/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A block with locked memory cannot be emptied: it is refused by name, before anything is changed. */
#include <errno.h>
#include <sys/mman.h>

#include "load.h"
#include "resources.h"
#include "snapshot-file.h"

#define OLD_BYTE 0x3c

static void check_refused(MigrationIncomingState *vm, const struct snapshot_file *file)
{
    struct resources before;

    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EINVAL);
    before = resources_count(vm);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EINVAL);
    CHECK_ERROR_HAS(vm->blocks[1]->idstr);
    CHECK_ERROR_HAS("lock");
    CHECK_RESOURCES(vm, before);
    CHECK_FILLED(vm, OLD_BYTE);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    RAMBlock *locked = vm_add_ram(vm, RAM_ANON, 64);

    vm_add_ram(vm, RAM_ANON, 64);
    struct snapshot_file *file = snapshot_file_of(vm);

    fill_ram(vm, OLD_BYTE);
    CHECK_EQ(mlock(locked->host, locked->length), 0);
    check_refused(vm, file);
    CHECK_EQ(munlock(locked->host, locked->length), 0);

    CHECK_EQ(mlock(ram_page(locked, 40), locked->page_size), 0);
    check_refused(vm, file);
    CHECK_EQ(munlock(ram_page(locked, 40), locked->page_size), 0);

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
