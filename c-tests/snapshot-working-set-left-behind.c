/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A killed process with the same process id has left temporary files of a record, as in a container, where the VMM
 * always has the same id. A record is written all the same, and these files stay.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "working-set.h"

#define LEFT_BEHIND 3

int main(void)
{
    static const size_t touched[] = { 7, 3 };
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);
    struct snapshot_file *file = snapshot_file_of(vm);
    char *set = scratch_path("set");

    for (int i = 0; i < LEFT_BEHIND; i++) {
        char *left;

        CHECK(asprintf(&left, "%s.%d.%d", set, (int)getpid(), i) > 0);
        CHECK_EQ(close(open(left, O_CREAT | O_EXCL | O_CLOEXEC, 0600)), 0);
        free(left);
    }
    record_working_set(vm, file->snapshot, set, NULL, touched, 2);
    CHECK_EQ(scratch_files(), LEFT_BEHIND + 1);
    load_working_set(vm, file->snapshot, 0, NULL, set);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    free(set);
    return 0;
}
