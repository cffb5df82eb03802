/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The pages of a block are larger than the host's. When one is placed, the client is woken in all of it. The client's
 * mapping need not be aligned as the VM's is.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "client.h"

#define HOST_PAGES 4

/* The same memory once more, from an address that is aligned to a large page. */
static RAMBlock with_large_pages(const RAMBlock *ram)
{
    RAMBlock large = *ram;

    snprintf(large.idstr, sizeof(large.idstr), "large pages");
    large.page_size *= HOST_PAGES;
    large.pages /= HOST_PAGES;
    uint8_t *reserved = mmap(NULL, 2 * large.length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(reserved != MAP_FAILED);
    large.host = (uint8_t *)(((uintptr_t)reserved + large.page_size - 1) / large.page_size * large.page_size);
    CHECK_EQ(mmap(large.host, large.length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram->fd, 0),
             large.host);
    return large;
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    RAMBlock *ram = ram_new(RAM_MEMFD_SHARED, 2 * HOST_PAGES);
    RAMBlock large = with_large_pages(ram);
    UffdRamBlock block = ram_describe(&large);
    struct client *client = client_new(vm, &large);

    vm->config.flags &= ~UFFD_INCOMING_TRACK_DISCARDS; /* of pages of the host's size only */
    vm->config.page_handler = vm_serve_later;
    vm_attach(vm);
    CHECK_OK(uffd_incoming_add_ram_block(vm, &large, &block));
    client_add(client);
    vm_setup(vm);
    CLIENT_TOUCH(client, 0); /* the last byte, in the last of the host's pages */
    AWAIT(vm->handled == 1);
    CLIENT_TOUCH(client, 1);
    AWAIT(vm->handled == 2);
    vm_place(vm, &large, 0);
    CLIENT_SEES_PAGE(client, 0);
    CLIENT_WAITS(client, 1);
    vm_place(vm, &large, 1);
    CLIENT_SEES_PAGE(client, 1);
    vm_end(vm);
    client_end(client);
    ram_free(ram);
    return 0;
}
