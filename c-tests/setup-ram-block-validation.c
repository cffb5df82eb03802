/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * uffd_incoming_add_ram_block() refuses an invalid block and says what is wrong. The other blocks stay as they are.
 */
#include <errno.h>
#include <string.h>

#include "vm.h"

static MigrationIncomingState *vm;
static RAMBlock *ram;

static void check_block(UffdRamBlock block, int expected)
{
    RAMBlock other;

    CHECK_ERRNO(uffd_incoming_add_ram_block(vm, &other, &block), expected);
    CHECK_ERRNO(uffd_incoming_page_received(vm, &other, 0), -ENOENT);
}

#define CHECK_BLOCK(expected, ...) \
    do { \
        UffdRamBlock block = ram_describe(ram); \
        __VA_ARGS__; \
        check_block(block, expected); \
    } while (0)

static void check_sizes(void)
{
    struct {
        UffdRamBlock block;
        uint64_t tail[2];
    } larger = { .block = ram_describe(ram) };

    CHECK_BLOCK(-EINVAL, block.size = 0);
    CHECK_BLOCK(-EINVAL, block.size--);
    larger.block.size = sizeof(larger);
    larger.tail[1] = 1;
    CHECK_ERRNO(uffd_incoming_add_ram_block(vm, ram, &larger.block), -E2BIG);
    larger.tail[1] = 0;
    CHECK_OK(uffd_incoming_add_ram_block(vm, ram, &larger.block));
    CHECK_OK(uffd_incoming_remove_ram_block(vm, ram));
}

static void check_names(void)
{
    char name[257];
    UffdRamBlock longest = ram_describe(ram);

    memset(name, 'n', sizeof(name));
    name[256] = '\0';
    CHECK_BLOCK(-EINVAL, block.idstr = NULL);
    CHECK_BLOCK(-EINVAL, block.idstr = name);
    CHECK_BLOCK(-EINVAL, block.idstr = "\xff\xfe");
    name[255] = '\0';
    longest.idstr = name;
    CHECK_OK(uffd_incoming_add_ram_block(vm, ram, &longest));
    CHECK_OK(uffd_incoming_remove_ram_block(vm, ram));
}

static void check_ranges(void)
{
    size_t page = ram->page_size;

    CHECK_BLOCK(-EINVAL, block.host = NULL);
    CHECK_BLOCK(-EINVAL, block.host = ram->host + 1);
    CHECK_BLOCK(-EINVAL, block.length = 0);
    CHECK_BLOCK(-EINVAL, block.length += page / 2);
    CHECK_BLOCK(-EINVAL, block.page_size = 0);
    CHECK_BLOCK(-EINVAL, block.page_size = page / 2);
    CHECK_BLOCK(-EINVAL, block.page_size = 3 * page);
    CHECK_BLOCK(-EINVAL, block.page_size = UINT64_C(1) << 63);
    CHECK_BLOCK(-EINVAL, block.host = (void *)-page, block.length = 2 * page);
    CHECK_BLOCK(-EINVAL, block.length = -page);
}

static void check_clashes(void)
{
    size_t page = ram->page_size;
    UffdRamBlock first = ram_describe(ram), again = first;

    first.host = ram->host + page;
    first.length = 2 * page;
    CHECK_OK(uffd_incoming_add_ram_block(vm, ram, &first));
    CHECK_BLOCK(-EINVAL, block.idstr = "the same", block.host = first.host, block.length = first.length);
    CHECK_BLOCK(-EINVAL, block.idstr = "overlaps the start", block.length = 2 * page);
    CHECK_BLOCK(-EINVAL, block.idstr = "overlaps the end", block.host = ram->host + 2 * page,
                block.length = 2 * page);
    CHECK_BLOCK(-EINVAL, block.idstr = "around", block.length = 4 * page);
    CHECK_BLOCK(-EEXIST, block.length = page);
    again.idstr = "a second name";
    again.length = page;
    CHECK_ERRNO(uffd_incoming_add_ram_block(vm, ram, &again), -EEXIST);

    /* Neighbours are no overlap. */
    RAMBlock before, after;
    CHECK_OK(uffd_incoming_add_ram_block(vm, &before, &again));
    again.idstr = "a third name";
    again.host = ram->host + 3 * page;
    CHECK_OK(uffd_incoming_add_ram_block(vm, &after, &again));
    CHECK_OK(uffd_incoming_remove_ram_block(vm, &before));
    CHECK_OK(uffd_incoming_remove_ram_block(vm, &after));
    CHECK_OK(uffd_incoming_remove_ram_block(vm, ram));
}

int main(void)
{
    vm = vm_new();
    ram = ram_new(RAM_ANON, 4);
    vm_attach(vm);
    check_sizes();
    check_names();
    check_ranges();
    check_clashes();

    vm_add_block(vm, ram);
    vm_setup(vm);
    CHECK_PAGE(ram, 3);
    vm_end(vm);
    return 0;
}
