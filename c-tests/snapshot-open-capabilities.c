/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A snapshot must have the capability mapped-ram. postcopy-ram adds a field, and x-ignore-shared is refused. */
#include <errno.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

static const char *const postcopy_ram[] = { "postcopy-ram", NULL };
static const char *const ignore_shared[] = { "x-ignore-shared", NULL };

static void check_postcopy_ram(MigrationIncomingState *vm)
{
    struct snapshot_file *file = snapshot_file_new(vm);

    file->layout.capabilities = postcopy_ram;
    file->blocks[1].host_page_size = HUGE_PAGE; /* the field is there only where it differs from the host's */
    snapshot_file_write(file);
    snapshot_file_open(file);
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    snapshot_file_free(file);
}

/* The RAM that the file lacks would be taken for zeros. */
static void check_ignore_shared(MigrationIncomingState *vm)
{
    struct snapshot_file *file = snapshot_file_new(vm);

    file->layout.capabilities = ignore_shared;
    snapshot_file_write(file);
    CHECK(uffd_snapshot_open_fd(file->fd, 0) == NULL);
    CHECK_EQ(errno, EOPNOTSUPP);
    CHECK_ERROR_HAS("x-ignore-shared");
    snapshot_file_free(file);
}

static void check_no_mapped_ram(MigrationIncomingState *vm)
{
    struct snapshot_file *file = snapshot_file_new(vm);

    snapshot_file_write(file);
    /* The last letter of the last capability's name lies just before the RAM section. */
    CHECK_EQ(pwrite(file->fd, "n", 1, file->layout.ram_section_offset - 1), 1);
    CHECK(uffd_snapshot_open_fd(file->fd, 0) == NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_ERROR_HAS("mapped-ram");
    snapshot_file_free(file);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 16);

    vm_add_ram(vm, RAM_ANON, 16);
    vm_add_ram(vm, RAM_ANON, 16);
    check_postcopy_ram(vm);
    check_ignore_shared(vm);
    check_no_mapped_ram(vm);
    vm_end(vm);
    return 0;
}
