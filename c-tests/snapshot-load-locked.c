/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A load refuses a block with locked memory, which cannot be emptied. It names the block and changes nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>

#include "ram-contents.h"
#include "resources.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define OLD_BYTE 0x3c

/* Not mlock() and munlock(): under a sanitizer these do nothing. */
static void lock(void *start, size_t length)
{
    CHECK_EQ(syscall(SYS_mlock, start, length), 0);
}

static void unlock(void *start, size_t length)
{
    CHECK_EQ(syscall(SYS_munlock, start, length), 0);
}

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
    lock(locked->host, locked->length);
    check_refused(vm, file);
    unlock(locked->host, locked->length);

    lock(ram_page(locked, 40), locked->page_size);
    check_refused(vm, file);
    unlock(ram_page(locked, 40), locked->page_size);

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
