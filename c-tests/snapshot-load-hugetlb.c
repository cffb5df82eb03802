/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Small target pages are loaded into huge pages, shared and private: host pages of data, of zeros, and of both. */
#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    vm_add_ram(vm, RAM_HUGETLB_SHARED, 4);
    vm_add_ram(vm, RAM_HUGETLB_PRIVATE, 4);
    struct snapshot_file *file = snapshot_file_of(vm);
    /* Page 3 of each is the one whose target pages are all zero. */
    CHECK_EQ(snapshot_page_kind(3 * HUGE_PAGE / 4096), PAGE_ZERO);

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
