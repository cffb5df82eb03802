/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With UFFD_INCOMING_POISON and UFFD_LOAD_KEEP_PRESENT, the file has lost pages that are present in RAM. Present
 * pages win, so the load is complete. A page that an earlier load poisoned is not present: it stays poisoned, and the
 * load is incomplete. If the snapshot has zeros for it, they replace the poison.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "ram-contents.h"
#include "sigbus.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 2048
#define CUT_PAGE 256
#define OLD_BYTE 0x3c
#define ZERO_PAGE 1600 /* among many */

static int serve_nothing(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    (void)vm;
    (void)rb;
    (void)offset;
    (void)fault_address;
    return -EIO;
}

static void check_load(MigrationIncomingState *vm, RAMBlock *rb, struct snapshot_file *file, size_t poisoned)
{
    const UffdLoadConfig config = { .size = sizeof(config), .flags = UFFD_LOAD_KEEP_PRESENT };

    CHECK_OK(load_with(vm, file->snapshot, &config));
    CHECK_EQ(uffd_incoming_wait(vm, 10000), poisoned > 0 ? -EIO : 0);
    CHECK_EQ(vm_stats(vm).complete, poisoned == 0);
    CHECK_EQ(vm_stats(vm).pages_poisoned, poisoned);
    CHECK_EQ(vm_stats(vm).bytes_loaded, (PAGES - poisoned) * rb->page_size);
    CHECK_OK(uffd_incoming_cleanup(vm));
}

/* The set-up that poisons a page has been cleaned up when zeros are loaded there, and where a page is present. */
static void check_zeros(MigrationIncomingState *vm, RAMBlock *rb, struct snapshot_file *file)
{
    for (size_t page = ZERO_PAGE; page <= ZERO_PAGE + 2; page++) {
        CHECK(snapshot_page_kind(page) != PAGE_DATA);
    }
    memset(ram_page(rb, ZERO_PAGE + 1), OLD_BYTE, rb->page_size);
    memset(rb->source + (ZERO_PAGE + 1) * rb->page_size, OLD_BYTE, rb->page_size);
    CHECK_OK(uffd_setup_incoming(vm, serve_nothing, 1));
    CHECK_SIGBUS(rb, ZERO_PAGE);
    CHECK_SIGBUS(rb, ZERO_PAGE + 2);
    CHECK_OK(uffd_incoming_cleanup(vm));
    check_load(vm, rb, file, 0);
    CHECK_RAM(vm);
    ram_discard(rb, 0, PAGES);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    need_poison();
    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);
    CHECK_EQ(madvise(rb->host, rb->length, MADV_NOHUGEPAGE), 0); /* a page that is touched is present alone */

    check_zeros(vm, rb, file);

    /* What has been lost is present. */
    for (size_t page = CUT_PAGE; page < PAGES; page++) {
        memset(ram_page(rb, page), OLD_BYTE, rb->page_size);
        memset(rb->source + page * rb->page_size, OLD_BYTE, rb->page_size); /* what is to be seen */
    }
    CHECK_EQ(ftruncate(file->fd, file->blocks[0].pages_offset + CUT_PAGE * rb->page_size), 0);
    check_load(vm, rb, file, 0);
    CHECK_RAM(vm);

    CHECK_EQ(snapshot_page_kind(PAGES / 2), PAGE_DATA);
    for (int i = 0; i < 2; i++) {
        if (i == 0) {
            ram_discard(rb, PAGES / 2, 1);
        }
        check_load(vm, rb, file, 1);
        CHECK_SIGBUS(rb, PAGES / 2);
    }
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}
