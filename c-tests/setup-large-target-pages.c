/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The page size of a block may be larger than the host's. Then the handler is asked for whole target pages, and they
 * are placed whole.
 */
#include <errno.h>
#include <stdio.h>

#include "vm.h"

static atomic_uint asked;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    CHECK_EQ(offset, 2 * rb->page_size);
    CHECK((uint8_t *)fault_address >= ram_page(rb, 2) && (uint8_t *)fault_address < ram_page(rb, 3));
    asked++;
    return vm_serve_page(vm, rb, offset, fault_address);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    RAMBlock *ram = ram_new(RAM_ANON, 16);

    vm->config.flags |= UFFD_INCOMING_TRACK_DISCARDS;
    vm_attach(vm);
    vm->config.page_handler = serve;
    /* Twice the host's page size, from the first address that is aligned to it. */
    RAMBlock twice = *ram;
    size_t skip = (uintptr_t)ram->host / ram->page_size % 2;
    snprintf(twice.idstr, sizeof(twice.idstr), "twice");
    twice.host = ram_page(ram, skip);
    twice.source = ram->source + skip * ram->page_size;
    twice.page_size = 2 * ram->page_size;
    twice.pages = 7;
    twice.length = twice.pages * twice.page_size;
    UffdRamBlock block = ram_describe(&twice);
    CHECK_OK(uffd_incoming_add_ram_block(vm, &twice, &block));

    /* The kernel discards its own pages. */
    CHECK_ERRNO(uffd_setup_incoming(vm, serve, 1), -EINVAL);
    CHECK_ERROR_HAS("discards");
    vm->config.flags &= ~UFFD_INCOMING_TRACK_DISCARDS;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    vm_setup(vm);

    struct toucher toucher;
    touch_read(&toucher, ram_page(&twice, 2) + twice.page_size - 1);
    CHECK_EQ(toucher_finish(&toucher), ram_source(&twice, 2)[twice.page_size - 1]);
    CHECK_PAGE(&twice, 2);
    CHECK_EQ(asked, 1);
    CHECK_ERRNO(uffd_incoming_place_page(vm, &twice, twice.host + ram->page_size, twice.source), -EINVAL);
    AWAIT(uffd_incoming_page_received(vm, &twice, 2 * twice.page_size + ram->page_size) == 1);
    vm_end(vm);
    ram_free(ram);
    return 0;
}
