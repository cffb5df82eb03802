/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One file can be replayed and recorded by the same load. It keeps its pages, and pages that fault besides are added
 * once.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "scratch.h"
#include "snapshot-file.h"
#include "vm.h"
#include "working-set.h"

#define PAGES 1024

/* Of a file with so many runs. */
static off_t length_of(size_t runs)
{
    return (off_t)(24 + 16 * runs + 8);
}

int main(void)
{
    static const size_t first[] = { 1000, 17 };
    static const size_t second[] = { 17, 500 };
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_file_of(vm);
    char *set = scratch_path("set");

    record_working_set(vm, file->snapshot, set, NULL, first, 2);
    for (int i = 0; i < 5; i++) {
        struct stat status;

        record_working_set(vm, file->snapshot, set, set, second, 2);
        CHECK_EQ(stat(set, &status), 0);
        CHECK_EQ(status.st_size, length_of(3));
    }

    load_working_set(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND, NULL, set);
    AWAIT(pages_received(vm) == 3);
    CHECK_EQ(vm_received(vm, rb, 1000), 1);
    CHECK_EQ(vm_received(vm, rb, 17), 1);
    CHECK_EQ(vm_received(vm, rb, 500), 1);
    CHECK_OK(uffd_incoming_abort(vm));

    vm_end(vm);
    snapshot_file_free(file);
    free(set);
    return 0;
}
