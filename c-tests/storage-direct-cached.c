/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* UFFD_LOAD_DIRECT_IO uses the page cache: the storage gets hardly any reads. */
#include <fcntl.h>

#include "page-cache.h"
#include "ram-contents.h"
#include "storage.h"

#define PAGES 8192

static void check_load(enum ram_kind kind)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = UFFD_LOAD_DIRECT_IO };
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, kind, PAGES);
    struct storage *storage = storage_of(vm, true);
    const int fd = open(storage->path, O_RDONLY | O_CLOEXEC);

    CHECK(fd >= 0);
    page_cache_fill(fd);
    CHECK(page_cache_bytes(fd) >= rb->length - rb->length / 4);
    const uint64_t asked = storage->orders->asked;
    CHECK_OK(uffd_incoming_load_snapshot(vm, storage->file->snapshot, &config));
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    /* The kernel may have dropped a little of it. */
    CHECK(storage->orders->asked - asked <= rb->length / 4);
    close(fd);
    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    if (!page_cache_is_told()) {
        SKIP("this kernel does not tell what the page cache holds: cachestat, Linux 6.5");
    }
    check_load(RAM_ANON);
    check_load(RAM_MEMFD_SHARED);
    return 0;
}
