/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The VMM changes its directory right after the load. Relative paths of working sets belong to the directory before.
 * The replayed working set may be unlinked, too.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scratch.h"
#include "snapshot-file.h"
#include "vm.h"
#include "working-set.h"

#define PAGES 64

int main(void)
{
    static const size_t touched[] = { 7, 3 };
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);
    char *set = scratch_path("set"), *directory = scratch_path(""), *before = getcwd(NULL, 0);
    struct stat status;

    vm->config.log = log_warnings;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    record_working_set(vm, file->snapshot, set, NULL, touched, 2);

    for (int round = 0; round < 3; round++) {
        CHECK_EQ(chdir(directory), 0);
        load_working_set(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND, "new", "set");
        CHECK_EQ(chdir("/"), 0);
        AWAIT(vm_received(vm, vm->blocks[0], 7) && vm_received(vm, vm->blocks[0], 3));
        CHECK_OK(uffd_incoming_abort(vm));
    }
    CHECK_EQ(warnings_with(""), 0);
    CHECK_EQ(chdir(directory), 0);
    CHECK_EQ(stat("new", &status), 0);
    CHECK_EQ(scratch_files(), 2);

    CHECK_EQ(chdir(before), 0);
    free(before);
    vm_end(vm);
    snapshot_file_free(file);
    free(directory);
    free(set);
    return 0;
}
