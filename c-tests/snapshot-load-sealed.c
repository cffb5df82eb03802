/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A memfd that was sealed against writing cannot be emptied, even if the RAM was mapped before and is writable. A
 * load is refused and changes no block. With UFFD_LOAD_KEEP_PRESENT nothing is emptied, and the load works.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 64
#define OLD_BYTE 0x3c

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static void check_sealed(enum ram_kind kind, bool closed)
{
    MigrationIncomingState *vm = vm_new();
    const size_t pages = kind == RAM_MEMFD_SHARED ? PAGES : 1;

    vm_attach(vm);
    /* Which one lies first in memory is the kernel's choice. */
    vm_add_ram(vm, RAM_ANON, PAGES);
    RAMBlock *sealed = vm_add_ram(vm, kind, pages);
    vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);

    CHECK_EQ(fcntl(sealed->fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
    if (closed) {
        CHECK_EQ(close(sealed->fd), 0);
        sealed->fd = -1;
    }
    fill_ram(vm, OLD_BYTE);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EPERM);
    CHECK_ERROR_HAS(sealed->idstr);
    CHECK_ERROR_HAS("F_SEAL_FUTURE_WRITE");
    CHECK_FILLED(vm, OLD_BYTE);

    load(vm, file->snapshot, UFFD_LOAD_KEEP_PRESENT);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_FILLED(vm, OLD_BYTE);
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_sealed(RAM_MEMFD_SHARED, false);
    check_sealed(RAM_HUGETLB_SHARED, false);
    /* Then only a privileged process is told of the seal. */
    if (geteuid() == 0) {
        check_sealed(RAM_MEMFD_SHARED, true);
    }
    return 0;
}
