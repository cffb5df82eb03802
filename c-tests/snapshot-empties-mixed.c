/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A load empties a block of several mappings: private anonymous, shared, and private anonymous again. The old content
 * of each is gone.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 1536
#define FIRST_SHARED 512
#define SHARED_PAGES 512

static int map_shared(const RAMBlock *rb)
{
    const size_t length = SHARED_PAGES * rb->page_size;
    const int fd = memfd_create("ram", MFD_CLOEXEC);
    void *host = ram_page(rb, FIRST_SHARED);

    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, length), 0);
    CHECK(mmap(host, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == host);
    return fd;
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    const int fd = map_shared(vm->blocks[0]);
    struct snapshot_file *file = snapshot_file_of(vm);

    fill_ram(vm, 0x3c);
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);

    vm_end(vm);
    close(fd);
    snapshot_file_free(file);
    return 0;
}
