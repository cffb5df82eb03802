/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * In the child of a fork, and in RAM that mremap() has moved, missing pages read as zeros. Placing at the old address
 * is an error. Nothing else is disturbed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "vm.h"

#define PAGES 8

static void check_fork(const RAMBlock *ram)
{
    pid_t child = fork();
    int status;

    CHECK(child >= 0);
    if (child == 0) {
        _exit(ram_page(ram, 1)[0] == *ram_source(ram, 1) && ram_page(ram, 2)[0] == 0 ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, PAGES);
    RAMBlock *ram = vm->blocks[0];

    vm_setup(vm);
    CHECK_PAGE(ram, 1);
    check_fork(ram);
    CHECK_PAGE(ram, 2);

    uint8_t *place = mmap(NULL, ram->length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(place != MAP_FAILED);
    CHECK_EQ(mremap(ram->host, ram->length, ram->length, MREMAP_MAYMOVE | MREMAP_FIXED, place), place);
    CHECK_EQ(place[ram->page_size], *ram_source(ram, 1));
    CHECK_EQ(place[3 * ram->page_size], 0);
    CHECK_ERRNO(uffd_incoming_place_page(vm, ram, ram_page(ram, 4), ram_source(ram, 4)), -ENOENT);
    CHECK_ERROR_HAS(ram->idstr);

    CHECK_EQ(mremap(place, ram->length, ram->length, MREMAP_MAYMOVE | MREMAP_FIXED, ram->host), ram->host);
    CHECK_EQ(uffd_incoming_cleanup(vm), 0);
    vm_end(vm);
    return 0;
}
