/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Names of files may have any bytes: of the snapshot, of working sets, and of the file behind the RAM, which
 * /proc/thread-self/maps shows. Messages escape them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "flat-file.h"
#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-load.h"
#include "working-set.h"

#define PAGES 64

int main(void)
{
    static const size_t touched[] = { 7, 3 };
    struct flat_file file = flat_file_new(PAGES * HOST_PAGE);
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    char *name = scratch_path("snap\xff\n\x1b[2J"), *set = scratch_path("set\xfe");
    const int ram = memfd_create("ram\xff\xfe", MFD_CLOEXEC);
    char text[128];

    snprintf(text, sizeof(text), "uffd-incoming flat 1\nimage image\nblock 0 %d %s\n", (int)(PAGES * HOST_PAGE), rb->idstr);
    flat_file_describe(&file, text);
    CHECK_EQ(pwrite(file.image_fd, rb->source, PAGES * HOST_PAGE, 0), PAGES * HOST_PAGE);
    CHECK_EQ(ftruncate(ram, (off_t)rb->length), 0);
    CHECK(mmap(rb->host, rb->length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram, 0) == rb->host);

    CHECK(uffd_snapshot_open(name) == NULL);
    CHECK_EQ(errno, ENOENT);
    CHECK_ERROR_HAS("snap\\xff\\n\\u{1b}[2J'");
    CHECK_EQ(rename(file.description, name), 0);
    UffdSnapshot *snapshot = open_snapshot(name);

    vm->config.log = log_warnings;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    record_working_set(vm, snapshot, set, NULL, touched, 2);
    CHECK_EQ(access(set, R_OK), 0);
    load_working_set(vm, snapshot, 0, set, set);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    CHECK_EQ(warnings_with(""), 0);

    uffd_snapshot_close(snapshot);
    vm_end(vm);
    flat_file_remove(&file);
    close(ram);
    free(set);
    free(name);
    return 0;
}
