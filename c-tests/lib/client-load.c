/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "client-load.h"

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

void check_client_load(enum ram_kind kind, size_t pages)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, kind, pages);
    struct snapshot_file *file = snapshot_file_of(vm);
    struct client *client = client_new(vm, ram);

    load(vm, file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    client_add(client);
    CLIENT_WALK(client, 2);
    CLIENT_WALKED(client);
    CHECK_OK(uffd_incoming_wait(vm, 0));
    /* Each brings its page, and up to 64 behind it along. */
    CHECK(client->messages >= (pages + 64) / 65);
    CHECK_EQ(vm_stats(vm).faults, 0);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    vm_end(vm);
    client_end(client);
    snapshot_file_free(file);
}
