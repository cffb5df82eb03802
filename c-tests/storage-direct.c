/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * UFFD_LOAD_DIRECT_IO reads the pages directly, and leaves none of them in the page cache. Without it they are read
 * through the page cache, and stay there.
 */
#include <fcntl.h>

#include "page-cache.h"
#include "ram-contents.h"
#include "storage.h"

#define PAGES 8192

/* Of the file: what opening it reads, with what is read ahead of that; and what is too little for a direct read. */
#define MOST_AROUND ((size_t)1 << 20)

static void check_load(enum ram_kind kind, uint64_t flags, uint32_t loader_threads)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = flags, .loader_threads = loader_threads };
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, kind, PAGES);
    struct snapshot_file *file = snapshot_file_new(vm);
    file->layout.page = snapshot_data_page;
    snapshot_file_write(file);
    struct storage *storage = storage_of_file(file, true);
    const int fd = open(storage->path, O_RDONLY | O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK(page_cache_bytes(fd) <= MOST_AROUND);
    CHECK_OK(uffd_incoming_load_snapshot(vm, file->snapshot, &config));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    if (flags & UFFD_LOAD_DIRECT_IO) {
        CHECK(page_cache_bytes(fd) <= MOST_AROUND);
        CHECK(storage->orders->direct >= rb->length - MOST_AROUND);
    } else {
        CHECK(page_cache_bytes(fd) >= rb->length - rb->length / 4); /* the kernel may drop a little at any time */
        CHECK_EQ(storage->orders->direct, 0);
    }
    close(fd);
    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    check_load(RAM_ANON, 0, 1);
    check_load(RAM_ANON, UFFD_LOAD_DIRECT_IO, 1);
    check_load(RAM_ANON, UFFD_LOAD_DIRECT_IO, 2);
    check_load(RAM_MEMFD_SHARED, UFFD_LOAD_DIRECT_IO, 1);
    return 0;
}
