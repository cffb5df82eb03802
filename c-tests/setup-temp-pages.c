/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * There are as many temporary pages as channels. Each is separate and writable. Beyond the channels, before setup and
 * after cleanup, uffd_incoming_temp_page() gives NULL.
 */
#include <string.h>

#include "vm.h"

#define CHANNELS 5

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, CHANNELS);
    RAMBlock *ram = vm->blocks[0];
    uint8_t *temp[CHANNELS];

    CHECK(uffd_incoming_temp_page(vm, 0) == NULL);
    CHECK_OK(uffd_setup_incoming(vm, vm_serve_page, CHANNELS));
    for (unsigned i = 0; i < CHANNELS; i++) {
        temp[i] = uffd_incoming_temp_page(vm, i);
        CHECK(temp[i] != NULL);
        CHECK_EQ((uintptr_t)temp[i] % ram->page_size, 0);
        memcpy(temp[i], ram_source(ram, i), ram->page_size);
    }
    CHECK(uffd_incoming_temp_page(vm, CHANNELS) == NULL);
    CHECK(uffd_incoming_temp_page(vm, (unsigned)-1) == NULL);
    CHECK(uffd_incoming_temp_page(vm, 1) == temp[1]);

    for (unsigned i = 0; i < CHANNELS; i++) {
        CHECK_OK(uffd_incoming_place_page(vm, ram, ram_page(ram, i), temp[i]));
        CHECK_PAGE(ram, i);
    }
    CHECK_EQ(vm->handled, 0);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK(uffd_incoming_temp_page(vm, 0) == NULL);
    vm_end(vm);
    return 0;
}
