/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A client and the VM touch RAM during a load, with a background loader and without. Both see the right bytes. */
#include "client.h"
#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"
#include "walkers.h"

static void check_load(size_t pages, uint64_t flags)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_MEMFD_SHARED, pages);
    struct snapshot_file *file = snapshot_file_of(vm);
    struct client *client = client_new(vm, ram);

    client_add(client);
    fill_ram(vm, 0x3c);
    load(vm, file->snapshot, flags);
    CLIENT_WALK(client, 2);
    struct walkers *walkers = walkers_start(vm, 2);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CLIENT_WALKED(client);
    walkers_finish(walkers);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    vm_end(vm);
    client_end(client);
    snapshot_file_free(file);
}

int main(void)
{
    check_load(8192, 0);
    check_load(2048, UFFD_LOAD_NO_BACKGROUND);
    return 0;
}
