/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A record must not replace a FIFO, a device, the snapshot, its description, or the file of a flat image. Such a path
 * is refused before anything is changed. A symbolic link stays, and its target is replaced.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "flat-file.h"
#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-load.h"
#include "working-set.h"

#define PAGES 64

static void check_refused(MigrationIncomingState *vm, UffdSnapshot *snapshot, const char *record, int errno_value)
{
    const UffdLoadConfig config = { .size = sizeof(config), .working_set_record = record };

    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, snapshot, &config), errno_value);
    CHECK_ERROR_HAS("recording the working set");
    CHECK_FILLED(vm, 0x55);
}

static ino_t inode_of(const char *path)
{
    struct stat status;

    CHECK_EQ(lstat(path, &status), 0);
    return status.st_ino;
}

int main(void)
{
    static const size_t touched[] = { 7, 3 };
    struct flat_file file = flat_file_new(PAGES * HOST_PAGE);
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    char *fifo = scratch_path("fifo"), *link_name = scratch_path("link"), *set = scratch_path("set");
    char *loop = scratch_path("loop"), *other_name = scratch_path("other-name");
    char text[128], by_number[32], target[4096];
    struct stat status;

    snprintf(text, sizeof(text), "uffd-incoming flat 1\nimage image\nblock 0 %d %s\n", (int)(PAGES * HOST_PAGE), vm->blocks[0]->idstr);
    flat_file_describe(&file, text);
    CHECK_EQ(pwrite(file.image_fd, vm->blocks[0]->source, PAGES * HOST_PAGE, 0), PAGES * HOST_PAGE);
    UffdSnapshot *snapshot = open_snapshot(file.description);
    fill_ram(vm, 0x55);

    CHECK_EQ(mkfifo(fifo, 0600), 0);
    check_refused(vm, snapshot, fifo, -EINVAL);
    CHECK_ERROR_HAS("FIFO");
    check_refused(vm, snapshot, "/dev/null", -EINVAL);
    CHECK_ERROR_HAS("character device");
    check_refused(vm, snapshot, file.image, -EINVAL);
    CHECK_ERROR_HAS("the snapshot");
    check_refused(vm, snapshot, file.description, -EINVAL);
    CHECK_EQ(link(file.image, other_name), 0);
    check_refused(vm, snapshot, other_name, -EINVAL);
    CHECK_EQ(symlink("image", link_name), 0);
    check_refused(vm, snapshot, link_name, -EINVAL);
    CHECK_EQ(symlink(loop, loop), 0);
    check_refused(vm, snapshot, loop, -ELOOP);
    /* A file that has no name any more: there is none to replace. */
    const int nameless = scratch_file();
    snprintf(by_number, sizeof(by_number), "/proc/self/fd/%d", nameless);
    check_refused(vm, snapshot, by_number, -EINVAL);
    close(nameless);

    /* Links of links, the first one relative; first to a file that there is not yet, then to the one of before. */
    CHECK_EQ(unlink(link_name), 0);
    CHECK_EQ(unlink(loop), 0);
    CHECK_EQ(symlink("loop", link_name), 0);
    CHECK_EQ(symlink(set, loop), 0);
    for (int i = 0; i < 2; i++) {
        record_working_set(vm, snapshot, link_name, i == 0 ? NULL : link_name, touched, 2);
        CHECK_EQ(stat(set, &status), 0);
        CHECK(S_ISREG(status.st_mode) && status.st_size > 24);
        CHECK_EQ(readlink(link_name, target, sizeof(target)), 4);
    }
    const ino_t image = inode_of(file.image);
    CHECK_EQ(inode_of(other_name), image);
    /* Image, description, FIFO, two links, the other name, and the set. */
    CHECK_EQ(scratch_files(), 7);

    load(vm, snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_cleanup(vm));

    uffd_snapshot_close(snapshot);
    vm_end(vm);
    flat_file_remove(&file);
    free(other_name);
    free(loop);
    free(set);
    free(link_name);
    free(fifo);
    return 0;
}
