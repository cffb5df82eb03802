/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A snapshot with two blocks of the same name is refused. */
#include <errno.h>

#include "snapshot-file.h"

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 16);

    vm_add_ram(vm, RAM_ANON, 16);
    struct snapshot_file *file = snapshot_file_new(vm);
    file->blocks[1].idstr = file->blocks[0].idstr;
    snapshot_file_write(file);

    errno = 0;
    CHECK(uffd_snapshot_open_fd(file->fd, 0) == NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_ERROR_HAS(vm->blocks[0]->idstr);

    snapshot_file_free(file);
    vm_end(vm);
    return 0;
}
