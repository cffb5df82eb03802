/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_POISON, the file is truncated. Exactly the lost pages are poisoned, and all others are loaded.
 * The load ends, reports that it is incomplete, and can be cleaned up. Once the lost pages are placed, it is
 * complete.
 */
#include <errno.h>

#include "ram-contents.h"
#include "sigbus.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

/* Several of the loader's units. */
#define PAGES 4096
#define CUT_PAGE 1000

static MigrationIncomingState *vm;

/* Whether the page is one that the file has lost. */
static bool is_lost(size_t page)
{
    return page >= CUT_PAGE && snapshot_page_kind(page) == PAGE_DATA;
}

static void check_pages(const RAMBlock *rb)
{
    for (size_t page = 0; page < PAGES; page++) {
        if (is_lost(page)) {
            CHECK_SIGBUS(rb, page);
        } else {
            CHECK_PAGE(rb, page);
        }
    }
}

static void check_load(uint32_t loader_threads, bool heals)
{
    const UffdLoadConfig config = { .size = sizeof(config), .loader_threads = loader_threads };
    struct sigbus_toucher early;
    size_t lost = 0;

    vm = vm_new();
    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);

    for (size_t page = 0; page < PAGES; page++) {
        lost += is_lost(page);
    }
    CHECK(is_lost(CUT_PAGE) && is_lost(PAGES / 2));
    CHECK_EQ(ftruncate(file->fd, file->blocks[0].pages_offset + CUT_PAGE * rb->page_size + 100), 0);
    CHECK_OK(load_with(vm, file->snapshot, &config));
    sigbus_touch(&early, ram_page(rb, PAGES / 2));
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    CHECK_ERROR_HAS("poisoned");
    CHECK_ERROR_HAS(rb->idstr);
    CHECK(sigbus_finish(&early));
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_POISONED, -EIO) == 1);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_COMPLETE, 0), 0);
    CHECK_EQ(vm_stats(vm).complete, 0);
    CHECK_EQ(vm_stats(vm).paused, 0);
    CHECK_EQ(vm_stats(vm).pages_poisoned, lost);
    CHECK_EQ(vm_stats(vm).bytes_loaded, (PAGES - lost) * rb->page_size);
    check_pages(rb);

    if (heals) {
        for (size_t page = 0; page < PAGES; page++) {
            if (is_lost(page)) {
                CHECK_EQ(vm_stats(vm).complete, 0);
                vm_place(vm, rb, page);
            }
        }
        CHECK_OK(uffd_incoming_wait(vm, 0));
        CHECK_EQ(vm_stats(vm).complete, 1);
        AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_COMPLETE, 0) == 1);
        CHECK_RAM(vm);
    }
    CHECK_OK(uffd_incoming_cleanup(vm));
    if (!heals) {
        check_pages(rb);
    }
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    need_poison();
    check_load(1, true);
    check_load(2, false);
    return 0;
}
