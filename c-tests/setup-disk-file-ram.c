/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * userfaultfd cannot serve a mapping of a file on a disk. The setup names the block and the address, unregisters the
 * block before it, and works once the block is removed.
 */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "resources.h"

/* An unlinked file that is not on tmpfs, whose pages userfaultfd could serve. */
static int open_disk_file(void)
{
    const char *directories[] = { getenv("TMPDIR"), "/var/tmp", "." };
    char path[512];

    for (unsigned i = 0; i < 3; i++) {
        struct statfs fs;

        if (directories[i] == NULL || statfs(directories[i], &fs) != 0 || fs.f_type == TMPFS_MAGIC) {
            continue;
        }
        snprintf(path, sizeof(path), "%s/uffd-disk-file-XXXXXX", directories[i]);
        int fd = mkstemp(path);
        if (fd >= 0) {
            CHECK_EQ(unlink(path), 0);
            return fd;
        }
    }
    FAIL("expected one of $TMPDIR, /var/tmp and . to be writable and on a disk");
}

static void check_mapping(int sharing)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 2);
    RAMBlock *good = vm->blocks[0];
    RAMBlock *file = ram_new(RAM_ANON, 2);
    char address[32];
    int fd = open_disk_file();

    vm->config.log = vm_no_message; /* undoing has nothing to warn of */
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    vm_setup(vm);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(ftruncate(fd, file->length), 0);
    CHECK(mmap(file->host, file->length, PROT_READ | PROT_WRITE, sharing | MAP_FIXED, fd, 0) == file->host);
    vm_add_block(vm, file);
    snprintf(address, sizeof(address), "%lx", (unsigned long)file->host);
    struct resources before = resources_count(vm);

    CHECK_ERRNO(uffd_setup_incoming(vm, vm_serve_page, 1), -EINVAL);
    CHECK_ERROR_HAS(file->idstr);
    CHECK_ERROR_HAS(address);
    CHECK_RESOURCES(vm, before);
    CHECK_ZEROS(good, 0);
    CHECK_ZEROS(file, 0);
    CHECK_EQ(vm_stats(vm).fault_threads, 0);

    CHECK_OK(uffd_incoming_remove_ram_block(vm, file));
    vm_setup(vm);
    CHECK_PAGE(good, 1);
    CHECK_OK(uffd_incoming_cleanup(vm));
    close(fd);
    vm_end(vm);
}

int main(void)
{
    check_mapping(MAP_SHARED);
    check_mapping(MAP_PRIVATE);
    return 0;
}
