/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A record whose path is not writable is refused before anything is changed. A setup that fails leaves an earlier
 * record as it was.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "working-set.h"

#define PAGES 64

int main(void)
{
    static const size_t touched[] = { 7, 3 };
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);
    char *set = scratch_path("set");
    char *nowhere = scratch_path("nowhere/set"), *directory = scratch_path("");
    UffdLoadConfig config = { .size = sizeof(config), .working_set_record = nowhere };
    struct stat before, after;

    fill_ram(vm, 0x55);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -ENOENT);
    CHECK_ERROR_HAS("recording the working set");
    config.working_set_record = "";
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EISDIR);
    config.working_set_record = "/";
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EISDIR);
    config.working_set_record = directory;
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EISDIR);
    CHECK_FILLED(vm, 0x55);

    record_working_set(vm, file->snapshot, set, NULL, touched, 2);
    CHECK_EQ(stat(set, &before), 0);
    CHECK_OK(uffd_setup_incoming(vm, vm_serve_page, 1));
    config.working_set_record = set;
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, &config), -EBUSY);
    CHECK_EQ(stat(set, &after), 0);
    CHECK_EQ(after.st_ino, before.st_ino);
    CHECK_EQ(scratch_files(), 1);

    vm_end(vm);
    snapshot_file_free(file);
    free(directory);
    free(nowhere);
    free(set);
    return 0;
}
