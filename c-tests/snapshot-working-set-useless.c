/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A working set that is damaged, truncated, missing, or of another snapshot is reported and ignored. The load works
 * as without one.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "working-set.h"

#define PAGES 1024

static void check_ignored(MigrationIncomingState *vm, UffdSnapshot *snapshot, const char *set, const char *why)
{
    const unsigned before = warnings_with(why);

    load_working_set(vm, snapshot, 0, NULL, set);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(warnings_with(why), before + 1);
    CHECK_EQ(warnings_with("the working set cannot be replayed"), warnings_with(""));
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_cleanup(vm));
}

static void change_byte(const char *path, off_t at)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;

    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    CHECK_EQ(pwrite(fd, &byte, 1, at), 1);
    CHECK_EQ(close(fd), 0);
}

int main(void)
{
    static const size_t touched[] = { 900, 3 };
    MigrationIncomingState *vm = vm_new();
    struct stat status;

    vm->config.log = log_warnings;
    vm->config.event = NULL; /* there would be too many */
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);
    char *set = scratch_path("set");

    check_ignored(vm, file->snapshot, set, "ENOENT");

    record_working_set(vm, file->snapshot, set, NULL, touched, 2);
    CHECK_EQ(stat(set, &status), 0);
    for (off_t at = 0; at < status.st_size; at++) {
        change_byte(set, at);
        check_ignored(vm, file->snapshot, set, set);
        change_byte(set, at);
    }
    CHECK_EQ(truncate(set, status.st_size - 1), 0);
    check_ignored(vm, file->snapshot, set, set);
    CHECK_EQ(truncate(set, 0), 0);
    check_ignored(vm, file->snapshot, set, "truncated");

    /* The same machine, saved again: one byte of its RAM, or which pages hold data. */
    record_working_set(vm, file->snapshot, set, NULL, touched, 2);
    vm->blocks[0]->source[0] ^= 1;
    struct snapshot_file *other = snapshot_file_of(vm);
    check_ignored(vm, other->snapshot, set, "another snapshot");

    vm_end(vm);
    snapshot_file_free(file);
    snapshot_file_free(other);
    free(set);
    return 0;
}
