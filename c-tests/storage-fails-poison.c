/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_POISON, the storage has some bad pages. Exactly these are poisoned; pages that were read
 * together with them are right. The load ends and reports that it is incomplete.
 */
#include <errno.h>

#include "sigbus.h"
#include "snapshot-load.h"
#include "storage.h"

/*
 * Several of the loader's units. The spot is whole where the kernel reads files in larger pieces than
 * pages.
 */
#define PAGES 4096
#define FIRST_BAD_PAGE 1024
#define BAD_PAGES 64

static bool is_lost(size_t page)
{
    return page - FIRST_BAD_PAGE < BAD_PAGES && snapshot_page_kind(page) == PAGE_DATA;
}

static void check_load(bool cached, uint32_t loader_threads)
{
    const UffdLoadConfig config = { .size = sizeof(config), .loader_threads = loader_threads };
    MigrationIncomingState *vm = vm_new();
    struct sigbus_toucher early;
    size_t lost = 0;

    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct storage *storage = storage_of(vm, cached);

    CHECK(is_lost(FIRST_BAD_PAGE) && is_lost(FIRST_BAD_PAGE + 1));
    storage_fails(storage, FIRST_BAD_PAGE, BAD_PAGES);
    CHECK_OK(load_with(vm, storage->file->snapshot, &config));
    sigbus_touch(&early, ram_page(rb, FIRST_BAD_PAGE + 1));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_ERROR_HAS("poisoned");
    CHECK_ERROR_HAS(rb->idstr);
    CHECK(sigbus_finish(&early));
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_POISONED, -EIO) == 1);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_COMPLETE, 0), 0);
    CHECK_EQ(vm_stats(vm).paused, 0);
    CHECK_OK(uffd_incoming_cleanup(vm));
    for (size_t page = 0; page < PAGES; page++) {
        if (is_lost(page)) {
            CHECK_SIGBUS(rb, page);
            lost++;
        } else {
            CHECK_PAGE(rb, page);
        }
    }
    CHECK_EQ(vm_stats(vm).pages_poisoned, lost);

    vm_end(vm);
    storage_free(storage);
}

int main(void)
{
    need_poison();
    check_load(true, 1);
    check_load(false, 2);
    return 0;
}
