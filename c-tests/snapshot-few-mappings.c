/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A process near its limit of mappings (vm.max_map_count) can load: the library registers RAM in no more parts than
 * the limit allows. If no mapping is left, the error names the limit.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ram-contents.h"
#include "snapshot-file.h"

#define UNITS 128
#define PAGES (UNITS * 512)

/* Every other unit is zeros. */
static enum page_kind write_page(const void *opaque, size_t block, uint64_t page, void *bytes)
{
    const struct snapshot_file *file = opaque;
    uint8_t *source = file->vm->blocks[block]->source + page * HOST_PAGE;

    if (page / 512 % 2 == 0 || page % 16 != 0) {
        return PAGE_ZERO;
    }
    memset(source, (int)(1 + page / 16 % 255), HOST_PAGE);
    return snapshot_data_page(file, block, page, bytes);
}

/* Makes as many mappings as the process may have, but for some; gives the start of them, and how many bytes that is. */
static uint8_t *use_up_mappings(size_t left, size_t *length)
{
    const size_t most = (size_t)read_number("/proc/sys/vm/max_map_count") + 2, unit = HOST_PAGE;
    uint8_t *start;
    size_t page = 1;

    *length = most * unit;
    start = mmap(NULL, *length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(start != MAP_FAILED);
    while (mprotect(start + page * unit, unit, PROT_READ) == 0) {
        page += 2;
        CHECK(page < most);
    }
    CHECK_EQ(errno, ENOMEM);
    /* Each that is as its neighbours again is two mappings less. */
    for (size_t freed = 0; freed < left; freed += 2) {
        page -= 2;
        CHECK_EQ(mprotect(start + page * unit, unit, PROT_NONE), 0);
    }
    return start;
}

static bool warned;

static void take_message(MigrationIncomingState *vm, int level, const char *message)
{
    (void)vm;
    (void)level;
    warned = warned || strstr(message, "vm.max_map_count") != NULL;
}

/* With `fault_threads`, RAM would be shared out to them in 32 parts each. */
static void check_load(unsigned fault_threads, size_t left, bool warns)
{
    MigrationIncomingState *vm = vm_new();
    size_t length;

    vm->config.fault_threads = fault_threads;
    vm->config.log = take_message;
    vm_attach(vm);
    vm_add_block(vm, ram_new_sparse(RAM_ANON, PAGES));
    struct snapshot_file *file = snapshot_file_new(vm);
    file->layout.page = write_page;
    snapshot_file_write(file);
    snapshot_file_open(file);

    warned = false;
    uint8_t *used = use_up_mappings(left, &length);
    const UffdLoadConfig config = { .size = sizeof(config) };
    const int result = uffd_incoming_load_snapshot(vm, file->snapshot, &config);
    CHECK_EQ(munmap(used, length), 0);
    if (left > 2) {
        CHECK_OK(result);
        CHECK_OK(uffd_incoming_wait(vm, -1));
        CHECK_EQ(warned, warns);
        CHECK_RAM(vm);
    } else {
        CHECK_EQ(result, -ENOMEM);
        CHECK_ERROR_HAS("vm.max_map_count");
    }
    vm_end(vm);
    snapshot_file_free(file);
}

int main(void)
{
    check_load(1, 120, false);
    check_load(4, 120, true);
    check_load(1, 0, false);
    return 0;
}
