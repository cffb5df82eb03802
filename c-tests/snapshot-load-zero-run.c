/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A long run of zeros in private anonymous RAM is not registered: it counts as received from the start, causes no
 * fault, and takes no memory until it is touched. In shared RAM it counts as received and stays registered, so that
 * faults of other processes are answered. After a load that fails late, none of it counts as received.
 */
#include <errno.h>
#include <string.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

#define PAGES 4096
#define DATA_PAGES 1024
/* The run need not begin at a huge page. */
#define FIRST_LEFT_ALONE (DATA_PAGES + 512)

static enum page_kind write_page(const void *file, size_t block, uint64_t page, void *bytes)
{
    return snapshot_page(file, block, page, page < DATA_PAGES ? PAGE_DATA : PAGE_STALE, bytes);
}

static struct snapshot_file *snapshot_with_zeros(MigrationIncomingState *vm)
{
    struct snapshot_file *file = snapshot_file_new(vm);

    file->layout.page = write_page;
    snapshot_file_write(file);
    snapshot_file_open(file);
    return file;
}

static void private_ram(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *rb = vm->blocks[0];
    struct snapshot_file *file = snapshot_with_zeros(vm);

    fill_ram(vm, 0x55);
    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    for (size_t page = FIRST_LEFT_ALONE; page < PAGES - 512; page++) {
        CHECK_EQ(vm_received(vm, rb, page), 1);
        CHECK(!is_present(rb, page));
    }
    CHECK_EQ(vm_received(vm, rb, 0), 0);
    CHECK(vm_stats(vm).bytes_loaded >= (PAGES - 1024 - DATA_PAGES) * rb->page_size);

    CHECK_ZEROS(rb, FIRST_LEFT_ALONE + 1);
    memset(ram_page(rb, FIRST_LEFT_ALONE + 2), 0x66, rb->page_size);
    CHECK_EQ(vm_stats(vm).faults, 0);
    /* What is received stays. */
    CHECK_OK(uffd_incoming_place_page(vm, rb, ram_page(rb, FIRST_LEFT_ALONE + 2), rb->source));
    CHECK_OK(uffd_incoming_place_range(vm, rb, ram_page(rb, DATA_PAGES - 1), ram_source(rb, DATA_PAGES - 1),
                                       (PAGES - DATA_PAGES + 1) * rb->page_size));
    CHECK_EQ(ram_page(rb, FIRST_LEFT_ALONE + 2)[7], 0x66);
    ram_discard(rb, FIRST_LEFT_ALONE + 2, 1);
    CHECK_ZEROS(rb, FIRST_LEFT_ALONE + 2);

    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_EQ(vm_stats(vm).bytes_loaded, rb->length);
    CHECK_OK(uffd_incoming_cleanup(vm));

    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_RAM(vm);
    vm_end(vm);
    snapshot_file_free(file);
}

static void shared_ram(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    struct snapshot_file *file = snapshot_with_zeros(vm);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    CHECK_EQ(vm_stats(vm).bytes_loaded, (PAGES - DATA_PAGES) * rb->page_size);
    CHECK_EQ(vm_received(vm, rb, DATA_PAGES - 1), 0);
    CHECK_EQ(vm_received(vm, rb, DATA_PAGES), 1);
    CHECK_ZEROS(rb, DATA_PAGES);
    AWAIT(vm_stats(vm).faults == 1);
    /* It is discarded again, and still is zeros. */
    ram_discard(rb, DATA_PAGES, 1);
    CHECK_ZEROS(rb, DATA_PAGES);
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    vm_end(vm);
    snapshot_file_free(file);
}

static int setup_done_result;

static int setup_done(MigrationIncomingState *vm)
{
    (void)vm;
    return setup_done_result;
}

/* The handler brings what the source has, not zeros. */
static void failed_load(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.setup_done = setup_done;
    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_with_zeros(vm);

    setup_done_result = -ESTALE;
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -ESTALE);
    CHECK_EQ(vm_received(vm, rb, FIRST_LEFT_ALONE), 0);
    setup_done_result = 0;
    memset(rb->source + FIRST_LEFT_ALONE * rb->page_size, 0x77, rb->page_size);
    vm_setup(vm);
    CHECK_PAGE(rb, FIRST_LEFT_ALONE);
    CHECK_EQ(vm_stats(vm).pages_requested, 1);
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    private_ram();
    shared_ram();
    failed_load();
    return 0;
}
