/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Without /proc, a load cannot tell what the RAM maps. If it has to empty the RAM, it is refused and changes nothing.
 * With UFFD_LOAD_KEEP_PRESENT it works; with UFFD_INCOMING_POISON, too, but an unreadable page pauses it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "working-set.h"

static void without_proc(void)
{
    const UffdLoadConfig emptying = { .size = sizeof(emptying) };
    const UffdLoadConfig direct = { .size = sizeof(direct), .flags = UFFD_LOAD_KEEP_PRESENT | UFFD_LOAD_DIRECT_IO };
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_POISON;
    vm->config.log = log_warnings;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 64);
    vm_add_ram(vm, RAM_MEMFD_SHARED, 64);
    vm_add_ram(vm, RAM_MEMFD_PRIVATE, 64);
    struct snapshot_file *file = snapshot_file_of(vm);

    CHECK_EQ(unshare(CLONE_NEWNS), 0);
    CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    CHECK_EQ(umount2("/proc", MNT_DETACH), 0);

    fill_ram(vm, 0x55);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &emptying), -EOPNOTSUPP);
    CHECK_ERROR_HAS("mount /proc");
    CHECK_FILLED(vm, 0x55);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &direct), -EOPNOTSUPP);
    CHECK_ERROR_HAS("mount /proc");
    CHECK_FILLED(vm, 0x55);

    for (unsigned i = 0; i < vm->block_count; i++) {
        ram_discard(vm->blocks[i], 0, vm->blocks[i]->pages);
    }
    CHECK_OK(uffd_incoming_load_snapshot(
        vm, file->snapshot, &(UffdLoadConfig) { .size = sizeof(UffdLoadConfig), .flags = UFFD_LOAD_KEEP_PRESENT }));
    CHECK_EQ(warnings_with("/proc"), 1);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    vm_end(vm);
    snapshot_file_free(file);
    _exit(0); /* a sanitizer would look for /proc */
}

int main(void)
{
    if (geteuid() != 0) {
        SKIP("only root unmounts /proc");
    }
    in_child(without_proc);
    return 0;
}
